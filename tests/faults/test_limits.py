"""Limits are never exceeded, not by one request, by four workers on two servers, whatever happens to them."""

import os
import signal
import time

import pytest

from tests.faults.figures import measure, note
from tests.faults.limited import (
    allowed,
    are_used_up,
    least_given,
    limit_keys,
    limit_project,
    over_in_any_span,
    until,
    using,
)
from tests.support.programs.processes import CHECK, workers

pytestmark = [pytest.mark.nodb, pytest.mark.faults]

WINDOWS = 30
PER_SECOND = 200
QUOTA = 100
KEYS = [f"Key {number}" for number in range(20)]


@pytest.fixture
def servers(installation):
    """Two servers with two workers each for the check."""
    yield [installation.start_server(workers=2) for _ in range(2)]
    installation.stop_servers()
    installation.start()
    limit_keys(installation, KEYS)
    limit_project(installation)
    installation.change("TRUNCATE apikeys_budget")


def rates(installation, servers, numbers, what):
    """30 seconds in which as much is asked as four workers answer."""
    with using(installation, servers, numbers) as asked:
        time.sleep(WINDOWS + 2)
    note("B1", f"{what}: requests for each that is allowed", len(asked) / allowed(asked).total(), at_most=1e6)
    measure("B1", f"{what}: over in {WINDOWS} windows", over_in_any_span(asked, PER_SECOND), at_most=0)
    measure("B1", f"{what}: share of a window that was not given", 1 - least_given(asked, PER_SECOND), at_most=0.03)


def test_a_rate_of_a_key(installation, servers):
    """B1"""
    limit_keys(installation, ["Key 1"], rate=[PER_SECOND, "second"], quota=[1_000_000, "month"])
    rates(installation, servers, [1], "a key's rate")


def test_a_rate_of_a_project(installation, servers):
    """B1: two keys, one of them with a rate of its own that is far away."""
    limit_project(installation, rate=[PER_SECOND, "second"])
    limit_keys(installation, ["Key 2"], rate=[100_000, "minute"])
    rates(installation, servers, [1, 2], "a project's rate")


def test_quotas_of_keys_and_of_a_project(installation, servers):
    """B1: 20 keys are used up, five times as often as they may be. Then a project, by all of its keys."""
    limit_keys(installation, KEYS, quota=[QUOTA, "day"])
    with using(installation, servers, range(20)) as asked:
        until(lambda: len(asked) >= 5 * QUOTA * len(KEYS), 300)
    given = allowed(asked)
    measure("B1", "a key's quota: over, of 20 keys", max(given.values()) - QUOTA, at_most=0)
    measure("B1", "a key's quota: share that was not given", 1 - min(given.values()) / QUOTA, at_most=0.03)
    limit_keys(installation, KEYS)
    limit_project(installation, quota=[10 * QUOTA, "month"])
    with using(installation, servers, range(20)) as asked:
        until(lambda: len(asked) >= 50 * QUOTA, 300)
    given = allowed(asked).total()
    measure("B1", "a project's quota: over", given - 10 * QUOTA, at_most=0)
    measure("B1", "a project's quota: share that was not given", 1 - given / (10 * QUOTA), at_most=0.03)


def test_limits_through_every_fault(installation, servers):
    """B2: SIGKILL, SIGSTOP past the window, a clock that steps back, a changed limit, a database that is away."""
    limit_keys(installation, ["Key 1"], rate=[20, "second"])
    limit_keys(installation, ["Key 2", "Key 3", "Key 4"], quota=[3_000, "day"])
    with using(installation, servers, [1, 2, 3, 4], pause=0.02) as asked:
        until(lambda: min(allowed(asked)[key] for key in ("Key 2", "Key 3", "Key 4")) >= 100)
        limit_keys(installation, ["Key 3"], quota=[1_500, "day"])
        limit_keys(installation, ["Key 4"], quota=[4_000, "day"])
        before = allowed(asked)["Key 3"]
        kill_and_stop_workers(servers)
        with installation.frozen():
            time.sleep(5)
        until(lambda: asked[-1].status in (204, 429))
        installation.stop()
        time.sleep(1)
        installation.start()
        until(lambda: asked[-1].status in (204, 429))
        # As if the clock stepped back by a day: the windows that are stored lie ahead.
        installation.change("UPDATE apikeys_budget SET starts = starts + 86400 WHERE name LIKE '%quota%'")
        kill_and_stop_workers(servers)
        until(lambda: are_used_up(asked, ["Key 2", "Key 3", "Key 4"]), 200)
    given = allowed(asked)
    assert before < 1_000, "the quota was changed in time"
    for key, quota in {"Key 2": 3_000, "Key 3": 1_500, "Key 4": 4_000}.items():
        measure("B2", f"every fault: a quota that is {quota:,} at the end: over", given[key] - quota, at_most=0)
    rate = [each for each in asked if each.key == "Key 1"]
    measure("B2", "every fault: a rate, in any span of seconds: over", over_in_any_span(rate, 20), at_most=0)
    assert given["Key 1"] > 200


def kill_and_stop_workers(servers):
    """One worker of each server is killed, and the other one is stopped for some windows of a second."""
    for server in servers:
        killed, stopped = workers(server.process.pid, CHECK)
        os.kill(killed, signal.SIGKILL)
        os.kill(stopped, signal.SIGSTOP)
        time.sleep(2.5)
        os.kill(stopped, signal.SIGCONT)
        until(lambda server=server: len(workers(server.process.pid, CHECK)) == 2)
        time.sleep(1)


def test_a_hot_key_costs_few_writes(installation, servers):
    """B3: all of a window of 10,000, by four workers."""
    installation.change("SELECT pg_stat_reset()")
    limit_keys(installation, ["Key 1"], quota=[10_000, "day"])
    with using(installation, servers, [1]) as asked:
        until(lambda: asked and asked[-1].status == 429, 300)
    installation.stop_servers()  # PostgreSQL has counted all writes of a session at its end
    until(lambda: not installation.sessions())
    counts = "SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = 'apikeys_budget'"
    [[writes]] = installation.ask(counts)
    measure("B3", "a window of 10,000: writes", writes, at_most=150)
    assert allowed(asked)["Key 1"] == 10_000
