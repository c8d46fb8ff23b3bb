"""A request's time budget for a database that does not answer. These tests need no database."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psycopg
import pytest

from common import database_deadline
from common.postgresql.base import LIMITS, Connection
from config.environment.database_url import OWN_OPTIONS

pytestmark = pytest.mark.nodb


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Short time budgets, and no history of the database's answers."""
    monkeypatch.setattr(database_deadline, "SECONDS", 0.5)
    monkeypatch.setattr(database_deadline, "SECONDS_OF_SILENCE", 0.3)
    monkeypatch.setattr(database_deadline, "SECONDS_TO_CONNECT", 0.2)
    monkeypatch.setattr(database_deadline, "SECONDS_BETWEEN_TRIES", 0.2)
    monkeypatch.setattr(database_deadline, "_next_try", None)
    monkeypatch.setattr(database_deadline, "_answered_at", 0.0)


@pytest.fixture
def pass_by(monkeypatch):
    """Advances a clock that otherwise stands still, so that a busy machine does not decide what is late."""
    now = time.monotonic()

    def let_pass(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now)
    return let_pass


@pytest.fixture
def silent():
    """A port that accepts connections and never answers, like a frozen server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"host=127.0.0.1,127.0.0.1,127.0.0.1 port={listener.getsockname()[1]} user=x connect_timeout=30"


@contextmanager
def refused():
    began = time.monotonic()
    with pytest.raises(database_deadline.NoAnswer):
        yield
    refused.seconds = time.monotonic() - began


def wait_in_vain(pass_by, meanwhile=lambda: None) -> None:
    with suppress(database_deadline.NoAnswer), database_deadline.Wait():
        pass_by(0.4)
        meanwhile()
        raise database_deadline.NoAnswer


def others_are_refused() -> bool:
    """Whether another thread's wait is rejected."""

    def ask() -> bool:
        with suppress(database_deadline.NoAnswer), database_deadline.Begun(), database_deadline.Wait():
            return False
        return True

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result()


def test_a_wait_for_a_lock_is_no_silence(monkeypatch):
    """The limits are in order: PostgreSQL ends a wait for a lock before it counts as silence, and silence ends before
    the request's time budget.
    """
    monkeypatch.undo()
    assert LIMITS["lock_timeout"] / 1000 < database_deadline.SECONDS_OF_SILENCE < database_deadline.SECONDS
    assert OWN_OPTIONS["connect_timeout"] > database_deadline.SECONDS_TO_CONNECT


def test_all_addresses_of_a_silent_host_share_one_wait(silent):
    """T36: psycopg alone would give each address its own connect_timeout."""
    with database_deadline.Begun(), refused():
        Connection.connect(silent)
    assert 0.4 < refused.seconds < 30, "less than the connect_timeout of one address"


def test_work_outside_a_request_has_no_limit(silent):
    """A migration has no time budget. Here psycopg gives up."""
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        Connection.connect(silent, host="127.0.0.1", connect_timeout=2)


def test_a_requests_waits_share_its_time(pass_by):
    with database_deadline.Begun():
        with database_deadline.Wait():
            pass_by(0.3)
        pass_by(10)  # time between the waits does not count
        with database_deadline.Wait():
            assert database_deadline.seconds_left() == pytest.approx(0.2)
            pass_by(0.2)
            assert database_deadline.is_over()
        with refused(), database_deadline.Wait():
            pytest.fail("there is no time left to wait")


def test_after_a_silence_one_request_asks_and_others_are_refused_at_once(pass_by):
    """T36: requests that wait would hold the threads that other requests need."""
    with database_deadline.Begun():
        wait_in_vain(pass_by)
    with database_deadline.Begun(), refused(), database_deadline.Wait():
        pytest.fail("this request should not wait")
    pass_by(0.2)
    with database_deadline.Begun(), database_deadline.Wait():
        assert others_are_refused()
    assert not others_are_refused(), "the request that asked got an answer"


def test_an_error_is_an_answer(pass_by):
    """T37: requests go on asking a server that refuses connections, so they notice at once when it is back."""
    with database_deadline.Begun():
        wait_in_vain(pass_by)
    assert others_are_refused()
    pass_by(0.2)
    with suppress(psycopg.OperationalError), database_deadline.Begun(), database_deadline.Wait():
        raise psycopg.OperationalError("refused")
    assert not others_are_refused()


def test_a_wait_in_vain_while_others_are_answered_is_no_silence(pass_by):
    with database_deadline.Begun():
        wait_in_vain(pass_by, meanwhile=others_are_refused)
    assert not others_are_refused()
