"""Counts survive a database that cannot be written to, and are not written twice."""

import os
import signal
import time

import pytest
from django.db import connection
from django.urls import reverse

from apikeys.usage import counting
from apikeys.usage.models import KeyUse
from common import database_deadline
from tests.support.environment import ON_SQLITE

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(ON_SQLITE, reason="SQLite is no server that could be read-only or frozen"),
]


def calls_written() -> int:
    return sum(KeyUse.objects.filter(span="hour").values_list("calls", flat=True))


def test_a_database_that_is_read_only_for_a_while_loses_none(api_key):
    counting.record(api_key.pk, "ok", time.time(), None)
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        counting.flush()
        cursor.execute("SET default_transaction_read_only = off")
    assert calls_written() == 0
    counting.flush()
    assert calls_written() == 1


def test_a_change_that_a_read_only_database_refuses_is_answered_with_503(api_key, owner, signed_in):
    """T35: as after a failover to a standby."""
    client = signed_in(owner)
    client.raise_request_exception = False
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        try:
            answer = client.post(reverse("apikeys:pause", args=[api_key.project.public_id, api_key.public_id]))
        finally:
            cursor.execute("SET default_transaction_read_only = off")
    assert answer.status_code == 503
    api_key.refresh_from_db()
    assert api_key.is_active


def test_a_batch_that_a_frozen_server_was_sent_is_not_written_twice(api_key, monkeypatch):
    """T36: when the server thaws, it executes what it has received, although nobody waits for the result any more."""
    monkeypatch.setattr(database_deadline, "SECONDS", 1.0)
    connection.ensure_connection()
    server = connection.connection.info.backend_pid
    counting.record(api_key.pk, "ok", time.time(), None)
    os.kill(server, signal.SIGSTOP)
    try:
        counting.flush()
    finally:
        os.kill(server, signal.SIGCONT)
    while os.path.exists(f"/proc/{server}"):
        time.sleep(0.05)
    monkeypatch.undo()
    counting.flush()
    assert calls_written() == 1
