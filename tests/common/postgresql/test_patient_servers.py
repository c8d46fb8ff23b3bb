"""Servers that tests start wait for a busy database longer than the product does."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import connection

from common import database_deadline
from tests.support.environment import ON_SQLITE
from tests.support.programs.servers import SECONDS_TO_ANSWER, database_url

pytestmark = [
    pytest.mark.nodb,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(ON_SQLITE, reason="one session locks a table"),
]

# What waits for a lock, for longer than the product lets it.
WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND now() - query_start > %s * interval '1 second'
"""


def test_pages_and_check_wait_for_longer_than_the_product_lets_them(server, authorization):
    with ThreadPoolExecutor(2) as pool, psycopg.connect(database_url()) as other:
        other.execute("LOCK TABLE apikeys_apikey IN ACCESS EXCLUSIVE MODE")
        ports = (server.port, server.check_port)
        calls = [pool.submit(server.request, "GET", "/api/v1/verify", None, authorization, port=port) for port in ports]
        deadline = time.monotonic() + SECONDS_TO_ANSWER
        while waiting() < len(calls):
            assert time.monotonic() < deadline
            assert not any(call.done() for call in calls)
            time.sleep(0.05)
        other.rollback()
        assert [call.result().status for call in calls] == [204, 204]


def waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [database_deadline.SECONDS])
        return int(cursor.fetchone()[0])
