"""A primary that stands still while its standby is promoted, as when its host is gone; and that goes on afterwards."""

import time

import pytest

from tests.faults.calls import Caller, at_once, loading
from tests.faults.failover.cluster import Cluster
from tests.faults.failover.pausing import Story
from tests.faults.figures import measure, note

pytestmark = [pytest.mark.nodb, pytest.mark.faults]

SECONDS_OF_LOAD = 5
# One wait on an open connection, the pause of the circuit breaker, and one wait for the host that is gone.
SECONDS_TO_LEAVE = 9


def warm(caller: Caller) -> None:
    """Every thread has a connection to the primary."""
    at_once([caller.check, caller.settings] * 20)


def test_a_primary_whose_host_is_gone_is_left_for_good(cluster_of):
    """Also by the threads whose connections are open, and also if it comes back."""
    cluster: Cluster = cluster_of(is_synchronous=True)
    caller = Caller(cluster.start_server(workers=2), cluster.people)
    story = Story(caller, cluster.keys())
    warm(caller)
    with story.going_on(pausing=1):
        time.sleep(SECONDS_OF_LOAD)
        cluster.freeze_first()
        cluster.promote()
        promoted_at = time.monotonic()
        time.sleep(3 * SECONDS_TO_LEAVE)
        thawed_at = time.monotonic()
        cluster.thaw_first()
        time.sleep(2 * SECONDS_OF_LOAD)
    check, change = story.first_good_check(promoted_at), story.first_good_change(promoted_at)
    measure("HA", "host gone: first good check", check, at_most=SECONDS_TO_LEAVE, unit="s")
    measure("HA", "host gone: first answered change", change, at_most=SECONDS_TO_LEAVE, unit="s")
    left_at = promoted_at + 2 * SECONDS_TO_LEAVE
    late = [check for check in story.checks if check.began > left_at and check.status == 503]
    measure("HA", f"host gone: checks answered 503 after {2 * SECONDS_TO_LEAVE} s", len(late), at_most=0)
    checked = sum(check.began > thawed_at for check in story.checks)
    assert checked
    measure("HA", f"the host is back: paused keys let in, of {checked} checks", len(story.let_in), at_most=0)


def test_a_process_that_asked_nothing_meanwhile_believes_a_primary_that_goes_on(cluster_of):
    """docs/high-availability.md says so. Only the operator's failover manager can keep the former primary from it."""
    cluster: Cluster = cluster_of(is_synchronous=True)
    caller = Caller(cluster.start_server(), cluster.people)
    key, secret = list(cluster.keys().items())[1]
    warm(caller)
    cluster.freeze_first()
    cluster.promote()
    while caller.post("pause", f"/projects/{cluster.people.project_id}/keys/{key}/pause/").status != 302:
        time.sleep(0.1)
    cluster.thaw_first()
    with loading([lambda: caller.check(secret)] * 4) as answers:
        time.sleep(SECONDS_OF_LOAD)
    let_in = sum(answer.status == 204 for answer in answers)
    note("HA", f"zombie: a paused key let in, of {len(answers)} checks", let_in, at_most=len(answers))
    assert let_in
