"""How long a request waits for a database that does not answer: without one, for silence needs none."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psycopg
import pytest

from apikeys import patience
from config.database_url import OWN_OPTIONS
from config.postgresql.base import LIMITS, Connection

pytestmark = pytest.mark.nodb


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Half a second for all, and nothing known of the database."""
    monkeypatch.setattr(patience, "SECONDS", 0.5)
    monkeypatch.setattr(patience, "SECONDS_OF_SILENCE", 0.3)
    monkeypatch.setattr(patience, "SECONDS_TO_CONNECT", 0.2)
    monkeypatch.setattr(patience, "SECONDS_BETWEEN_TRIES", 0.2)
    monkeypatch.setattr(patience, "_next_try", None)
    monkeypatch.setattr(patience, "_answered_at", 0.0)


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
    with pytest.raises(patience.NoAnswer):
        yield
    refused.seconds = time.monotonic() - began


def wait_in_vain(pass_by, meanwhile=lambda: None) -> None:
    with suppress(patience.NoAnswer), patience.Wait():
        pass_by(0.4)
        meanwhile()
        raise patience.NoAnswer


def others_are_refused() -> bool:
    """Whether a wait of another thread is."""

    def ask() -> bool:
        with suppress(patience.NoAnswer), patience.Begun(), patience.Wait():
            return False
        return True

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result()


def test_a_wait_for_a_lock_is_no_silence(monkeypatch):
    """Nor is that of a request which has so little time left that the server cannot say in time what it waits for."""
    monkeypatch.undo()
    assert LIMITS["lock_timeout"] / 1000 < patience.SECONDS_OF_SILENCE < patience.SECONDS
    assert OWN_OPTIONS["connect_timeout"] > patience.SECONDS_TO_CONNECT


def test_all_addresses_of_a_silent_host_share_one_wait(silent):
    """T36; each would have its own connect_timeout."""
    with patience.Begun(), refused():
        Connection.connect(silent)
    assert 0.4 < refused.seconds < 2.5, "less than the connect_timeout of one"


def test_without_a_beginning_there_is_no_limit(silent):
    """A migration waits as long as it takes; here it is psycopg that gives up."""
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        Connection.connect(silent, host="127.0.0.1", connect_timeout=2)


def test_a_requests_waits_share_its_time(pass_by):
    with patience.Begun():
        with patience.Wait():
            pass_by(0.3)
        pass_by(10)  # between its waits it waits for nobody
        with patience.Wait():
            assert patience.seconds_left() == pytest.approx(0.2)
            pass_by(0.2)
            assert patience.is_over()
        with refused(), patience.Wait():
            pytest.fail("no time is left")


def test_after_a_silence_others_are_refused_at_once_but_for_one_who_asks(pass_by):
    """T36: or those behind would wait for the threads of those who wait."""
    with patience.Begun():
        wait_in_vain(pass_by)
    with patience.Begun(), refused(), patience.Wait():
        pytest.fail("it would have waited")
    pass_by(0.2)
    with patience.Begun(), patience.Wait():
        assert others_are_refused()
    assert not others_are_refused(), "the one who asked was answered"


def test_an_error_is_an_answer(pass_by):
    """T37: a server that refuses connections is asked by everybody, and so found as soon as it is back."""
    with patience.Begun():
        wait_in_vain(pass_by)
    assert others_are_refused()
    pass_by(0.2)
    with suppress(psycopg.OperationalError), patience.Begun(), patience.Wait():
        raise psycopg.OperationalError("refused")
    assert not others_are_refused()


def test_one_that_waits_in_vain_while_others_are_answered_is_no_silence(pass_by):
    with patience.Begun():
        wait_in_vain(pass_by, meanwhile=others_are_refused)
    assert not others_are_refused()
