"""PostgreSQL stands still, as when its disk does or its host is paused: connections live, nothing is answered."""

import pytest

from tests.faults.calls import Caller, at_once
from tests.faults.figures import measure

SECONDS = 5


@pytest.fixture
def caller(installation):
    return Caller(installation.start_server(), installation.people)


def assert_nobody_is_let_in(calls):
    assert {(call.kind, call.status) for call in calls} == {(call.kind, 503) for call in calls}


@pytest.mark.parametrize("kind", ["check", "files", "upload", "ready", "dashboard", "settings", "create_key", "login"])
@pytest.mark.parametrize("warm", [True, False], ids=["warm", "fresh"])
def test_a_call_alone(installation, caller, kind, warm):
    """T36"""
    if warm:
        at_once([caller.check, caller.dashboard] * 10)
    with installation.frozen():
        call = getattr(caller, kind)()
    assert_nobody_is_let_in([call])
    measure("T36", f"{call.kind}, {'warm' if warm else 'fresh'} connection", call.seconds, at_most=SECONDS, unit="s")
