"""How long a migration may take."""

import pytest
from django.db import OperationalError, connection

from tests.environment import ON_SQLITE

pytestmark = [
    pytest.mark.skipif(ON_SQLITE, reason="SQLite has no time limit"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(autouse=True)
def short_limit():
    """A third of a second for a statement, so that nobody has to wait for the real one."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 300")
    yield
    connection.close()


def sleep() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.6)")


def test_a_migration_takes_longer_than_a_request_may():
    with connection.schema_editor():
        sleep()
    with pytest.raises(OperationalError, match="statement timeout"):
        sleep()


def test_what_migrate_would_do_can_still_be_printed():
    with connection.schema_editor(collect_sql=True) as editor:
        editor.execute("SELECT 1")
    assert editor.collected_sql == ["SELECT 1;"]
