"""Statements that look for due work among all keys are not compiled."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.lifetimes.notices import send_due_notices
from common.postgresql.just_in_time import no_compilation
from tests.support.environment import ON_SQLITE

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(ON_SQLITE, reason="SQLite compiles no statement"),
]


def jit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW jit")
        return str(cursor.fetchone()[0])


def test_compilation_is_off_for_one_transaction():
    with no_compilation():
        assert jit() == "off"
    with connection.cursor() as cursor:
        cursor.execute("SET jit = on")
    with no_compilation():
        assert jit() == "off"
    assert jit() == "on"
    connection.close()


def test_the_search_for_due_emails_is_not_compiled():
    with CaptureQueriesContext(
        connection,
    ) as queries:
        send_due_notices(timezone.now())
    statements = [query["sql"] for query in queries]
    [first] = [number for number, sql in enumerate(statements) if 'FROM "projects_project"' in sql]
    assert statements[first - 1] == "SET LOCAL jit = off"
