"""PostgreSQL is frozen, as with a hung disk or a paused host: connections live, and nothing is answered."""

import time

import pytest

from tests.faults.calls import Caller, at_once, loading, slowest, until_answered
from tests.faults.figures import measure

pytestmark = pytest.mark.nodb

SECONDS = 5


@pytest.mark.parametrize("connections", [pytest.param("fresh", marks=pytest.mark.faults), "warm"])
def test_every_kind_of_call_is_refused_in_time(installation, connections):
    """T36; each alone on its thread."""
    caller = Caller(installation.start_server(THREADS="16"), installation.people)
    if connections == "warm":
        assert {call.status for call in at_once([caller.check, caller.dashboard] * 16)} == {204, 200}
    with installation.frozen():
        calls = at_once(caller.asking_the_database)
    assert {call.status for call in calls} == {503}
    for call in calls:
        measure("T36", f"frozen: {call.kind}, {connections} connection", call.seconds, at_most=SECONDS, unit="s")


@pytest.mark.faults
def test_under_load_nobody_waits_for_those_who_wait(installation):
    """T36, T37, T39: many more calls than threads, before, during and after the frost."""
    caller = Caller(installation.start_server(workers=2), installation.people)
    kinds = [caller.check, caller.check, caller.paused_check, caller.files, caller.dashboard, caller.ready, caller.live]
    with loading(kinds * 6) as calls:
        time.sleep(2)
        with installation.frozen():
            frozen_at = time.monotonic()
            time.sleep(12)
        thawed_at = time.monotonic()
        good = until_answered(caller, thawed_at)
        time.sleep(1)
    frozen = [call for call in calls if frozen_at <= call.began and call.began + call.seconds < thawed_at]
    asking = [call for call in frozen if call.kind != "liveness"]
    live = [call for call in frozen if call.kind == "liveness"]
    later = [call for call in live if call.began > frozen_at + SECONDS]
    assert len(asking) > 200
    assert {call.status for call in live} == {200}
    let_in = [call for call in asking if call.status != 503]
    measure("T36", "frozen, under load: let in, or answered otherwise than by 503", len(let_in), at_most=0)
    measure("T36", "frozen, under load: the slowest refusal", slowest(asking), at_most=SECONDS, unit="s")
    measure("T39", "frozen, under load: liveness, while threads still wait", slowest(live), at_most=SECONDS, unit="s")
    measure("T39", "frozen, under load: liveness, once the silence is known", slowest(later), at_most=1, unit="s")
    measure("T37", "thawed, under load: the slowest kind's first good answer", good, at_most=5, unit="s")
    paused = [call for call in calls if call.kind == "check of a paused key" and call.status in {200, 204}]
    measure("T37", "thawed, under load: paused keys let in", len(paused), at_most=0)


@pytest.mark.faults
def test_counts_wait_for_the_thaw(installation):
    """T36, T40: the writer gives up, keeps what it has, and writes it later."""
    server = installation.start_server(USAGE_FLUSH_SECONDS="1.5")
    caller = Caller(server, installation.people)
    before = installation.counted("Key 1")
    for _ in range(30):
        assert caller.check(installation.people.secrets[1]).status == 204
    # The first request was written at once. The others wait in memory.
    with installation.frozen():
        time.sleep(SECONDS + 2)
        assert "usage_not_written" in server.log_text()
    deadline = time.monotonic() + SECONDS
    while (counted := installation.counted("Key 1") - before) < 30 and time.monotonic() < deadline:
        time.sleep(0.1)
    measure("T36", "thawed: counts lost of 30 calls before the frost", 30 - counted, at_most=0)
    assert counted == 30
