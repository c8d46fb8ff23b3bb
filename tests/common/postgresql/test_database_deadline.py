"""How long a request waits for a database that does not answer: without one, for silence needs none."""

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
    """Half a second for all, and nothing known of the database."""
    monkeypatch.setattr(database_deadline, "SECONDS", 0.5)
    monkeypatch.setattr(database_deadline, "SECONDS_OF_SILENCE", 0.3)
    monkeypatch.setattr(database_deadline, "SECONDS_TO_CONNECT", 0.2)
    monkeypatch.setattr(database_deadline, "SECONDS_BETWEEN_TRIES", 0.2)
    monkeypatch.setattr(database_deadline, "_next_try", None)
    monkeypatch.setattr(database_deadline, "_answered_at", 0.0)


@pytest.fixture
def pass_by(monkeypatch):
    """Lets seconds pass, on a clock that stands otherwise: a busy machine must not decide who is late."""
    now = time.monotonic()

    def let_pass(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now)
    return let_pass


@pytest.fixture
def silent():
    """Where a connection is taken, and never answered, as by a server that is frozen."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"host=127.0.0.1,127.0.0.1,127.0.0.1 port={listener.getsockname()[1]} user=x connect_timeout=3"


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
    """Whether a wait of another thread is."""

    def ask() -> bool:
        with suppress(database_deadline.NoAnswer), database_deadline.Begun(), database_deadline.Wait():
            return False
        return True

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result()


def test_a_wait_for_a_lock_is_no_silence(monkeypatch):
    """Nor is that of a request which has so little time left that the server cannot say in time what it waits for."""
    monkeypatch.undo()
    assert LIMITS["lock_timeout"] / 1000 < database_deadline.SECONDS_OF_SILENCE < database_deadline.SECONDS
    assert OWN_OPTIONS["connect_timeout"] > database_deadline.SECONDS_TO_CONNECT


def test_all_addresses_of_a_silent_host_share_one_wait(silent):
    """T36; each would have its own connect_timeout."""
    with database_deadline.Begun(), refused():
        Connection.connect(silent)
    assert 0.4 < refused.seconds < 2.5, "less than the connect_timeout of one"


def test_without_a_beginning_there_is_no_limit(silent):
    """A migration waits as long as it takes; here it is psycopg that gives up."""
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        Connection.connect(silent, host="127.0.0.1", connect_timeout=2)


def test_a_requests_waits_share_its_time(pass_by):
    with database_deadline.Begun():
        with database_deadline.Wait():
            pass_by(0.3)
        pass_by(10)  # between its waits it waits for nobody
        with database_deadline.Wait():
            assert database_deadline.seconds_left() == pytest.approx(0.2)
            pass_by(0.2)
            assert database_deadline.is_over()
        with refused(), database_deadline.Wait():
            pytest.fail("no time is left")


def test_after_a_silence_others_are_refused_at_once_but_for_one_who_asks(pass_by):
    """T36: or those behind would wait for the threads of those who wait."""
    with database_deadline.Begun():
        wait_in_vain(pass_by)
    with database_deadline.Begun(), refused(), database_deadline.Wait():
        pytest.fail("it would have waited")
    pass_by(0.2)
    with database_deadline.Begun(), database_deadline.Wait():
        assert others_are_refused()
    assert not others_are_refused(), "the one who asked was answered"


def test_an_error_is_an_answer(pass_by):
    """T37: a server that refuses connections is asked by everybody, and so found as soon as it is back."""
    with database_deadline.Begun():
        wait_in_vain(pass_by)
    assert others_are_refused()
    pass_by(0.2)
    with suppress(psycopg.OperationalError), database_deadline.Begun(), database_deadline.Wait():
        raise psycopg.OperationalError("refused")
    assert not others_are_refused()


def test_one_that_waits_in_vain_while_others_are_answered_is_no_silence(pass_by):
    with database_deadline.Begun():
        wait_in_vain(pass_by, meanwhile=others_are_refused)
    assert not others_are_refused()
