"""The lookup's own connection to PostgreSQL, and its behaviour when the server does not answer."""

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from apikeys.verify.verification import verify
from common import database_deadline
from tests.support.environment import ON_SQLITE, postgres

pytestmark = [
    pytest.mark.skipif(ON_SQLITE, reason="SQLite has no server to wait for"),
    pytest.mark.usefixtures("transactional_db"),
]


def check(key):
    return verify(f"Bearer {key.secret}")


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@contextmanager
def keys_locked():
    """Another session locks the table of keys, so nobody can read it."""
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE apikeys_apikey IN ACCESS EXCLUSIVE MODE")
    try:
        yield
    finally:
        other.close()


def test_a_dead_connection_is_replaced_within_the_check(api_key):
    """T37: one part of the promise."""
    assert check(api_key).identity
    before = backend()
    os.kill(before, signal.SIGTERM)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{before}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert check(api_key).identity
    assert backend() != before


def test_a_restart_is_survived_by_the_next_check(api_key):
    """T37: one part of the promise."""
    assert check(api_key).identity
    postgres.stop("fast")
    assert check(api_key).code == "unavailable"
    postgres.start()
    assert check(api_key).identity


def test_a_frozen_server_is_given_up_and_works_again_once_it_thaws(api_key, monkeypatch):
    """T36: one part of the promise, the client's own time limit."""
    assert check(api_key).identity
    frozen = backend()
    monkeypatch.setattr(database_deadline, "SECONDS", 0.5)
    os.kill(frozen, signal.SIGSTOP)
    try:
        assert check(api_key).code == "unavailable"
    finally:
        os.kill(frozen, signal.SIGCONT)
    monkeypatch.undo()
    assert check(api_key).identity


def test_a_table_that_is_locked_is_given_up(api_key):
    assert check(api_key).identity
    with keys_locked():
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 300")
        assert check(api_key).code == "unavailable"
    assert check(api_key).identity


def test_a_plan_that_a_migration_has_outdated_is_made_anew_within_the_check(api_key):
    """A migration runs while the previous release still serves."""
    assert check(api_key).identity
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("ALTER TABLE apikeys_apikey ALTER name TYPE varchar(70)")
        assert check(api_key).identity
    finally:
        with other.cursor() as cursor:
            cursor.execute("ALTER TABLE apikeys_apikey ALTER name TYPE varchar(64)")
        other.close()


def test_a_connection_that_is_old_is_replaced(api_key):
    """After a failover by DNS name, the old server may still answer."""
    assert check(api_key).identity
    before = backend()
    connection.close_at = time.monotonic() - 1
    assert check(api_key).identity
    assert backend() != before


def test_a_lock_that_is_not_given_is_waited_for_once(api_key):
    """T36: the time limits of a check must not add up."""
    assert check(api_key).identity
    with keys_locked():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 300")
        before = postgres.log.read_text().count("due to lock timeout")
        assert check(api_key).code == "unavailable"
        assert postgres.log.read_text().count("due to lock timeout") == before + 1


def test_the_statement_is_prepared_once_a_connection(api_key):
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    connection.close()
    for _ in range(3):
        assert check(api_key).identity
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'latchkey%%'")
        assert cursor.fetchone() == (1,)
