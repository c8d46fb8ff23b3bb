"""One process at a time does the tasks that are due. A task that fails stops no other task."""

import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from common.housekeeping import claiming, housekeeper
from common.housekeeping.housekeeper import Task, take_turn
from common.housekeeping.models import Claim, DailyTask
from config.housekeeping import TASKS
from tests.support.environment import ON_SQLITE
from tests.support.programs.parallel import in_parallel
from tests.support.programs.postgres import free_port

pytestmark = pytest.mark.django_db(transaction=True)


class Work:
    """A task that notes each of its turns."""

    def __init__(self) -> None:
        self.turns: list[datetime] = []

    def __call__(self, now: datetime) -> None:
        self.turns.append(now)


@pytest.fixture(autouse=True)
def a_minute(settings) -> Iterator[None]:
    settings.HOUSEKEEPING_SECONDS = 60.0
    yield
    housekeeper.give(*TASKS)


def end_claim() -> None:
    Claim.objects.update(ends_at=timezone.now() - timedelta(seconds=1))


# The claim


def test_one_process_holds_the_claim_until_it_ends():
    assert claiming.hold("a")
    assert claiming.hold("a"), "its holder renews it"
    assert claiming.hold("b") is None
    end_claim()
    assert claiming.hold("b")
    assert claiming.hold("a") is None


def test_of_four_processes_one_gets_the_claim():
    for _ in range(3):
        found = in_parallel([lambda name=name: claiming.hold(name) for name in "abcd"])
        assert sum(isinstance(now, datetime) for now in found) == 1
        assert found.count(None) == 3
        end_claim()


def test_the_claim_ends_by_the_databases_clock():
    began = claiming.hold("a")
    for days in (-1, 1):
        with time_machine.travel(timezone.now() + timedelta(days=days)):
            assert claiming.hold("b") is None
            renewed = claiming.hold("a")
            assert timedelta(0) <= renewed - began < timedelta(hours=1)
            began = renewed


def test_a_wrong_clock_of_the_past_stops_no_housekeeping():
    """While the database's clock was a year ahead, a claim was taken and a task finished."""
    work, year = Work(), timezone.now() + timedelta(days=365)
    housekeeper.give(Task("work", work, daily=True))
    Claim.objects.create(name=claiming.NAME, holder="b", ends_at=year)
    DailyTask.objects.create(name="work", finished_at=year)
    assert take_turn("a")
    assert len(work.turns) == 1


def test_a_claim_that_is_given_back_is_free_at_once():
    claiming.hold("a")
    claiming.give_back("b")
    assert claiming.hold("b") is None
    claiming.give_back("a")
    assert claiming.hold("b")


# Turns


def test_a_turn_does_every_task_at_the_databases_time():
    first, second = Work(), Work()
    housekeeper.give(Task("first", first), Task("second", second))
    with time_machine.travel(timezone.now() + timedelta(days=400)):
        assert take_turn("a")
    assert len(first.turns) == len(second.turns) == 1
    assert abs(timezone.now() - first.turns[0]) < timedelta(days=1)
    assert not take_turn("b")
    assert len(first.turns) == 1


def test_a_task_that_fails_stops_no_other_task_and_is_logged(caplog):
    def fail(now: datetime) -> None:
        raise ValueError

    work = Work()
    housekeeper.give(Task("broken", fail), Task("broken_daily", fail, daily=True), Task("work", work))
    assert take_turn("a")
    assert take_turn("a")
    assert len(work.turns) == 2
    assert sum("housekeeping_failed" in record.getMessage() for record in caplog.records) == 4
    assert not DailyTask.objects.exists(), "a daily task that failed is tried again"


def test_a_statement_that_fails_stops_no_other_task():
    def fail(now: datetime) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")

    work = Work()
    housekeeper.give(Task("broken", fail), Task("work", work))
    assert take_turn("a")
    assert len(work.turns) == 1


def test_a_daily_task_is_done_once_a_day_by_whichever_process():
    work = Work()
    housekeeper.give(Task("daily", work, daily=True))
    assert take_turn("a")
    assert take_turn("a")
    end_claim()
    assert take_turn("b")
    assert len(work.turns) == 1
    DailyTask.objects.update(finished_at=timezone.now() - timedelta(hours=25))
    assert take_turn("b")
    assert len(work.turns) == 2


def test_a_process_that_lost_the_claim_stops_between_two_steps(settings):
    settings.HOUSEKEEPING_SECONDS = 1e-9  # so the claim is renewed after each step
    steps = []

    def work(now: datetime) -> Iterator[None]:
        for step in range(3):
            steps.append(step)
            if step == 1:
                Claim.objects.update(holder="b", ends_at=timezone.now() + timedelta(hours=1))
            yield

    later = Work()
    housekeeper.give(Task("work", work, daily=True), Task("later", later))
    assert not take_turn("a")
    assert (steps, later.turns) == ([0, 1], [])
    assert not DailyTask.objects.exists(), "the next holder begins anew"


def test_a_process_that_ends_stops_between_two_steps():
    steps = []

    def work(now: datetime) -> Iterator[None]:
        for step in range(3):
            steps.append(step)
            housekeeper._stopping.set()
            yield

    housekeeper.give(Task("work", work, daily=True))
    try:
        assert not take_turn("a")
    finally:
        housekeeper._begin_anew()
    assert steps == [0]
    assert not DailyTask.objects.exists()


@pytest.mark.skipif(ON_SQLITE, reason="SQLite is never away")
def test_a_database_that_is_away_is_waited_for(monkeypatch, caplog):
    work = Work()
    housekeeper.give(Task("work", work))
    connection.close()
    with monkeypatch.context() as patched:
        patched.setitem(connection.settings_dict, "PORT", str(free_port()))
        assert not take_turn("a")
    assert "housekeeping_waits" in caplog.text
    assert "Traceback" not in caplog.text
    assert take_turn("a")
    assert len(work.turns) == 1


# The thread


def test_the_thread_works_at_once_and_gives_the_claim_back_at_its_end(monkeypatch):
    done = threading.Event()
    housekeeper.give(Task("work", lambda now: done.set()))
    thread = threading.Thread(target=housekeeper._run)
    monkeypatch.setattr(housekeeper, "_thread", thread)
    thread.start()
    try:
        assert done.wait(60)
    finally:
        housekeeper._stop()
        thread.join()
        housekeeper._begin_anew()
    assert claiming.hold("another process")


def test_a_command_starts_no_thread():
    call_command("foldusage", verbosity=0)
    assert housekeeper._thread is None
    assert not Claim.objects.exists()


@pytest.mark.slow
def test_a_forked_process_has_no_thread_of_its_parent(monkeypatch):
    monkeypatch.setattr(housekeeper, "_thread", threading.current_thread())
    child = os.fork()
    if child == 0:
        os._exit(0 if housekeeper._thread is None else 1)
    assert os.waitpid(child, 0)[1] == 0
