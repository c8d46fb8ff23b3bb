"""PostgreSQL is gone, and comes back."""

import threading
import time
from contextlib import contextmanager

import psycopg
import pytest

from tests.faults.calls import Caller, at_once, loading, slowest, until_answered
from tests.faults.figures import measure

pytestmark = pytest.mark.nodb

SECONDS_TO_REFUSE = 1
SECONDS_TO_RECOVER = 5
LET_IN = {200, 201, 204, 302}


@contextmanager
def gone(installation):
    installation.stop()
    try:
        yield time.monotonic()
    finally:
        installation.start()


def test_every_kind_of_call_is_refused_at_once(installation):
    """T35, T39; on connections that were open, and on new ones."""
    caller = Caller(installation.start_server(), installation.people)
    assert {call.status for call in at_once([caller.check, caller.dashboard] * 8)} == {204, 200}
    with gone(installation):
        for connections in ("open", "no"):
            calls = [call() for call in caller.asking_the_database]
            assert {(call.kind, call.status) for call in calls} == {(call.kind, 503) for call in calls}
            measure("T35", f"gone: every kind of call, {connections} connection", slowest(calls), at_most=1, unit="s")
        live = caller.live()
        assert live.status == 200
        measure("T39", "gone: liveness", live.seconds, at_most=SECONDS_TO_REFUSE, unit="s")
    began = time.monotonic()
    good = until_answered(caller, began)
    measure("T37", "back: the slowest kind's first good answer", good, at_most=SECONDS_TO_RECOVER, unit="s")


@pytest.mark.faults
def test_under_load_it_goes_and_comes_back(installation):
    """T35, T37, T39: immediate shutdown and restart amid calls, three times."""
    caller = Caller(installation.start_server(workers=2), installation.people)
    kinds = [caller.check, caller.check, caller.paused_check, caller.files, caller.dashboard, caller.ready, caller.live]
    refused, recovered = [], []
    with loading(kinds * 4) as calls:
        for _ in range(3):
            time.sleep(1)
            with gone(installation) as gone_at:
                time.sleep(2)
                back_from = time.monotonic()
                accepts = Accepting(installation.postgres.url)
            recovered.append(until_answered(caller, accepts.at()))
            refused += [call for call in calls if gone_at < call.began and call.began + call.seconds < back_from]
    live = [call.seconds for call in calls if call.kind == "liveness"]
    refused = [call for call in refused if call.kind != "liveness"]
    assert len(refused) > 200
    assert {call.status for call in calls if call.kind == "liveness"} == {200}
    assert 500 not in {call.status for call in calls}
    let_in = [call for call in refused if call.status != 503]
    paused = [call for call in calls if call.kind == "check of a paused key" and call.status in LET_IN]
    measure("T35", "gone, under load: let in, or answered otherwise than by 503", len(let_in), at_most=0)
    measure("T35", "gone, under load: the slowest refusal", slowest(refused), at_most=SECONDS_TO_REFUSE, unit="s")
    measure("T37", "restarted, under load: paused keys let in", len(paused), at_most=0)
    measure("T37", "restarted, under load: first good answers", max(recovered), at_most=SECONDS_TO_RECOVER, unit="s")
    measure("T39", "gone and back, under load: liveness", max(live), at_most=1, unit="s")


class Accepting:
    """Notes when PostgreSQL first accepts a connection."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._at = 0.0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._at:
            try:
                psycopg.connect(self._url).close()
            except psycopg.OperationalError:
                time.sleep(0.01)
            else:
                self._at = time.monotonic()

    def at(self) -> float:
        self._thread.join()
        return self._at
