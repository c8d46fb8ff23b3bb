"""How long a migration may take, and that every migration can be reversed."""

import pytest
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader

from tests.support.environment import ON_SQLITE

pytestmark = pytest.mark.django_db(transaction=True)
has_a_time_limit = pytest.mark.skipif(ON_SQLITE, reason="SQLite has no time limit")


@pytest.fixture
def short_limit():
    """A third of a second for a statement, so that nobody has to wait for the real one."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 300")
    yield
    connection.close()


def sleep() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.6)")


@has_a_time_limit
@pytest.mark.usefixtures("short_limit")
def test_a_migration_takes_longer_than_a_request_may():
    with connection.schema_editor():
        sleep()
    with pytest.raises(OperationalError, match="statement timeout"):
        sleep()


@has_a_time_limit
def test_what_migrate_would_do_can_still_be_printed():
    with connection.schema_editor(collect_sql=True) as editor:
        editor.execute("SELECT 1")
    assert editor.collected_sql == ["SELECT 1;"]


def test_every_migration_of_ours_can_be_reversed():
    ours = {"accounts", "apikeys", "outbox", "projects"}
    migrations = [one for (app, _), one in MigrationLoader(None).disk_migrations.items() if app in ours]
    assert len(migrations) >= 5
    assert all(operation.reversible for migration in migrations for operation in migration.operations)
