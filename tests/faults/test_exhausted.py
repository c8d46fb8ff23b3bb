"""PostgreSQL runs, but others hold its connections."""

import time
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from tests.faults.calls import Caller, at_once, loading, slowest, until_answered
from tests.faults.figures import measure
from tests.faults.installation import threads
from tests.support.programs.processes import PAGES, workers

pytestmark = pytest.mark.nodb

MOST = 26
THREADS = 8
MANY = 40
SECONDS_TO_REFUSE = 1
SECONDS_TO_RECOVER = 5


@pytest.fixture
def few_connections(installation):
    def restart_with(setting: str) -> None:
        installation.change(f"ALTER SYSTEM {setting}")
        installation.stop()
        installation.start()

    restart_with(f"SET max_connections = {MOST}")
    yield installation
    installation.stop_servers()
    restart_with("RESET max_connections")


@contextmanager
def others_hold_the_rest(url):
    with ExitStack() as others:
        for _ in range(MOST + 1):
            try:
                others.enter_context(psycopg.connect(url, autocommit=True))
            except psycopg.OperationalError:
                break
        else:
            pytest.fail("all could connect")
        yield


def until_refused(calls, number):
    deadline = time.monotonic() + 120
    while sum(call.status == 503 for call in calls) < number and time.monotonic() < deadline:
        time.sleep(0.1)


def test_calls_are_refused_at_once_and_work_when_there_is_room(few_connections):
    """T38, T37"""
    installation = few_connections
    # Housekeeping opens one more connection for a moment now and then, and the connections are counted below.
    server = installation.start_server(THREADS=str(THREADS), HOUSEKEEPING_SECONDS="0")
    [worker] = workers(server.process.pid, PAGES)
    caller = Caller(server, installation.people)
    at_once([caller.live] * THREADS)
    with ExitStack() as load:
        with others_hold_the_rest(installation.postgres.url):
            held_at = time.monotonic()
            calls = load.enter_context(loading([*caller.asking_the_database, caller.live] * 2))
            until_refused(calls, 2 * MANY)
            before = threads(worker)
            until_refused(calls, 4 * MANY)
            released_at, during = time.monotonic(), threads(worker)
        good = until_answered(caller, released_at)
        time.sleep(1)
        held_in_the_end = installation.sessions()
    held = [call for call in calls if held_at < call.began and call.began + call.seconds < released_at]
    refused = [call for call in held if call.status == 503]
    assert len(refused) > MANY
    # A thread that already had a connection goes on working.
    assert {call.status for call in held} <= {200, 201, 204, 302, 429, 401, 503}
    live = [call.status for call in held if call.kind == "liveness"]
    assert set(live) == {200}
    paused = [call for call in calls if call.kind == "check of a paused key" and call.status == 204]
    measure("T38", "no connection left: the slowest refusal", slowest(refused), at_most=SECONDS_TO_REFUSE, unit="s")
    measure("T38", "no connection left: paused keys let in", len(paused), at_most=0)
    # The server starts its THREADS one after the other, as it needs them. A refusal leaves none.
    gained = max(0, during - before)
    measure("T38", f"no connection left: threads that a worker gained by {2 * MANY}", gained, at_most=THREADS)
    measure("T38", "room again: first good answers", good, at_most=SECONDS_TO_RECOVER, unit="s")
    both = 2 * (THREADS + 1)
    measure("T38", "room again: connections of 2 × 8 threads and a writer", held_in_the_end, at_most=both)
