"""Single facts of how processes spend a limit: how often they write, what they waste, and whom they wait for."""

import os
from functools import partial

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from apikeys.limits import blocks
from apikeys.limits.blocks import Budget
from apikeys.limits.models import Budget as Row
from apikeys.verify.verification import verify
from tests.apikeys.limits.simulated import Process, answers_lost, let_windows_end, set_clock_back
from tests.support.programs.parallel import in_parallel

DAY = 24 * 3600


def budget(amount, window=Window.DAY):
    return Budget(f"key:1:quota:{window}", Limit(amount, window))


def allowed(process, of, requests, cost=1):
    return sum(process.take(of, cost).is_allowed for _ in range(requests))


def test_a_window_of_10_000_costs_at_most_150_writes(transactional_db):
    """B3, with the blocks of four processes that take turns."""
    processes, of = [Process() for _ in range(4)], budget(10_000)
    with CaptureQueriesContext(connection) as queries:
        let_in = sum(allowed(processes[number % 4], of, 1) for number in range(12_000))
    assert let_in == 10_000
    assert len(queries) <= 150


def test_a_clock_that_is_set_back_gives_nothing_twice_and_wastes_nothing(transactional_db):
    process, of = Process(), budget(1_000)
    assert allowed(process, of, 100) == 100
    set_clock_back([process], DAY)
    # The block ends by the clock of the process, while the window that is stored lies ahead of the database's clock.
    for block in process.blocks.values():
        block.ends = 0
    with CaptureQueriesContext(connection) as queries:
        assert allowed(process, of, 1_000) == 900
    assert len(queries) < 100


def test_a_new_window_has_the_whole_limit(transactional_db):
    process, of = Process(), budget(100)
    assert allowed(process, of, 150) == 100
    let_windows_end([process], DAY)
    assert allowed(process, of, 150) == 100


def test_a_cost_may_use_what_the_process_holds(transactional_db):
    process, of = Process(), budget(1_000)
    assert allowed(process, of, 1) == 1
    assert allowed(process, of, 1, cost=999) == 1
    assert allowed(process, of, 1) == 0


def test_what_others_gave_back_is_asked_for_at_least_once_a_minute(transactional_db):
    process, of = Process(), budget(1)
    for _ in range(20):
        allowed(process, of, 1)
        process.may_ask_again()
    assert max(block.wait for block in process.blocks.values()) == 60


def test_blocks_of_another_limit_are_void(transactional_db):
    process = Process()
    assert allowed(process, budget(1_000), 1) == 1
    assert allowed(process, budget(10), 20) == 0
    process.give_back()
    process.may_ask_again()
    assert allowed(process, budget(10), 20) == 9


def test_a_reservation_whose_answer_is_lost_lets_nobody_in(transactional_db):
    process, of = Process(), budget(10)
    with answers_lost(), pytest.raises(OperationalError):
        process.take(of, 10)
    assert allowed(process, of, 1) == 0


def test_nothing_is_given_back_twice(transactional_db):
    process, of = Process(), budget(1_000)
    assert allowed(process, of, 300) == 300
    with answers_lost():
        process.give_back()
    process.give_back()
    assert Row.objects.get().used == 300


def test_what_is_left_of_an_ended_window_is_not_given_to_the_next(transactional_db):
    process, other = Process(), Process()
    assert allowed(process, budget(1_000), 1) == 1
    assert allowed(process, budget(900), 1) == 1  # the block of the other limit waits to be given back
    let_windows_end([process, other], DAY)
    assert allowed(other, budget(900), 900) == 900
    process.give_back()
    other.may_ask_again()
    assert allowed(other, budget(900), 1) == 0


def test_a_reservation_that_is_rolled_back_lets_nobody_in_later(transactional_db):
    process, of = Process(), budget(100)
    with transaction.atomic():
        process.take(of, 1)
        transaction.set_rollback(True)
    assert not process.blocks
    assert allowed(process, of, 150) == 100


def test_without_autocommit_nothing_is_kept_in_memory(transactional_db):
    process = Process()
    transaction.set_autocommit(False)
    try:
        process.take(budget(100), 1)
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert not process.blocks


def test_threads_share_a_limit_to_the_request(transactional_db):
    """Six threads, one process, and a cost above 1 beside others."""
    of = budget(3_000)

    def spend(cost):
        return sum(cost for _ in range(900) if blocks.take(of, cost).is_allowed)

    assert sum(in_parallel([partial(spend, cost) for cost in (3, 1, 1, 1, 1, 1)])) == 3_000
    assert Row.objects.get().used == 3_000


def test_a_forked_process_holds_nothing_of_its_parents_blocks(transactional_db):
    blocks.take(budget(100), 1)
    assert blocks._blocks
    child = os.fork()
    if not child:
        os._exit(bool(blocks._blocks))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    blocks.give_back_all()


def test_a_limited_key_asks_no_more_than_a_key_without_limits(transactional_db, api_key, authorization):
    """B4: the part about statements. What the process holds is enough for the request."""
    limits = Limits(Limit(1_000, Window.HOUR), Limit(1_000, Window.MONTH))
    restrict_key(key=api_key, restrictions=Restrictions(limits=limits), by=None)
    assert verify(authorization["Authorization"]).identity
    with CaptureQueriesContext(connection) as queries:
        verdict = verify(authorization["Authorization"])
    assert [name for name, _ in verdict.headers] == ["RateLimit-Policy", "RateLimit"]
    assert not [query for query in queries if "budget" in query["sql"]]
