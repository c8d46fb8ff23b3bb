"""T34: the time of the answer to a report does not tell whether there was such a key.

The clock is the test's own: only the database and the waits take time.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from apikeys.keys.services import create_key
from apikeys.leases import clocks, held_answers
from apikeys.models import ApiKey
from tests.apikeys.leases.test_held_answers import held_by_many

pytestmark = pytest.mark.django_db(transaction=True)

UNKNOWN = "lk_" + "x" * 40


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds

    @contextmanager
    def each_statement_takes(self, seconds: float) -> Iterator[None]:
        def run(execute: Callable[..., Any], *arguments: Any) -> Any:
            self.pass_(seconds)
            return execute(*arguments)

        with connection.execute_wrapper(run):
            yield


@pytest.fixture
def clock(monkeypatch):
    clock, real, mine = Clock(), time.sleep, threading.current_thread()

    def sleep(seconds: float) -> None:
        # Background threads sleep, too.
        (clock.pass_ if threading.current_thread() is mine else real)(seconds)

    monkeypatch.setattr(clocks, "now", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(held_answers, "_was_registered", False)
    return clock


@pytest.fixture(params=["lease on", "lease off"])
def lease(request):
    if request.param == "lease on":
        request.getfixturevalue("leased")


@pytest.fixture
def secrets(project, owner):
    """Of a key that works, of a key that was reported before, of a deleted key's shape, and no secret at all."""
    known = create_key(project=project, name="Found", by=owner).secret
    return [known, known, UNKNOWN, "nothing"]


def seconds_of_reports(client, clock, secrets, statement=0.004, status=202):
    def seconds(secret):
        began = clock.now
        with clock.each_statement_takes(statement):
            answer = client.post("/api/v1/report", {"secret": secret}, content_type="application/json")
        assert answer.status_code == status
        return round(clock.now - began, 6)

    return [seconds(secret) for secret in secrets]


def test_all_answers_go_out_at_one_time_after_their_request(lease, clock, client, secrets):
    assert set(seconds_of_reports(client, clock, secrets)) == {clocks.REPORT_SECONDS}
    assert ApiKey.objects.get().is_reported


def test_so_do_answers_of_a_busy_process(lease, clock, client, secrets):
    give_back = held_by_many(held_answers.REPORTS)
    try:
        assert set(seconds_of_reports(client, clock, secrets, status=503)) == {clocks.BUSY_REPORT_SECONDS}
    finally:
        give_back()
    assert ApiKey.objects.get().is_reported


def test_after_a_long_change_the_answer_still_waits_for_every_lease(leased, clock, client, secrets):
    """Of a database so slow that the change is committed when the answer would go out."""
    statement = clocks.REPORT_SECONDS / 4
    committed = []
    with connection.execute_wrapper(lambda execute, *arguments: (committed.append(clock.now), execute(*arguments))[1]):
        seconds_of_reports(client, clock, secrets[:1], statement)
    # The last statement asks who keeps rows, after the commit.
    assert clock.now - committed[-1] >= clocks.HELD_SECONDS


def test_the_time_of_a_report_leaves_room_for_its_change():
    assert clocks.REPORT_SECONDS >= clocks.HELD_SECONDS + 0.2
