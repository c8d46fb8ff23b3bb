"""Migrations have no time limit and can be reversed, and columns of codes are wide enough."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import CharField
from django.utils import timezone

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import delete_key
from apikeys.lifetimes.ends import end_key
from apikeys.models import ApiKey
from apikeys.usage.models import KeyUse
from tests.support.environment import ON_SQLITE
from tests.support.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db(transaction=True)
OURS = {"accounts", "apikeys", "housekeeping", "outbox", "projects"}
has_a_time_limit = pytest.mark.skipif(ON_SQLITE, reason="SQLite has no time limit")


@pytest.fixture
def short_limit():
    """A third of a second for a statement, so that the test does not wait for the real limit."""
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
def test_the_statements_of_a_migration_can_still_be_printed():
    with connection.schema_editor(collect_sql=True) as editor:
        editor.execute("SELECT 1")
    assert editor.collected_sql == ["SELECT 1;"]


def test_every_migration_of_ours_can_be_reversed():
    migrations = [one for (app, _), one in MigrationLoader(None).disk_migrations.items() if app in OURS]
    assert len(migrations) >= 5
    assert all(operation.reversible for migration in migrations for operation in migration.operations)


def test_columns_of_short_codes_have_room_for_longer_ones():
    """A new state, outcome or kind then changes only constraints."""
    fields = [field for app in OURS for model in apps.get_app_config(app).get_models() for field in model._meta.fields]
    coded = [field for field in fields if isinstance(field, CharField) and field.choices]
    assert len(coded) >= 10
    assert {str(field) for field in coded if field.max_length != 32} == set()


@pytest.mark.slow
def test_a_key_that_has_ended_is_paused_when_the_migrations_are_taken_back(transactional_db, project, owner):
    """The release before knows no ends, so the key would work again."""
    ended, expired, ahead, lapsed, deleted = ApiKeyFactory.create_batch(5, project=project)
    now, hour = timezone.now(), timedelta(hours=1)
    for key in (ended, deleted):
        end_key(key=key, by=owner)
    delete_key(key=deleted, by=owner)
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=now - hour)
    ApiKey.objects.filter(pk=ahead.pk).update(expires_at=now + hour)
    pause_key(key=lapsed, by=owner, until=now + hour)
    ApiKey.objects.filter(pk=lapsed.pk).update(resumes_at=now - hour)
    KeyUse.objects.create(key=ended, span="day", starts_at=now, outcome="expired", calls=1, last_at=now)
    try:
        call_command("migrate", "projects", "0002_v0_1_0_audit_log", verbosity=0)
        call_command("migrate", "apikeys", "0001_v0_1_0", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT state FROM apikeys_apikey ORDER BY id")
            states = [state for (state,) in cursor.fetchall()]
    finally:
        call_command("migrate", verbosity=0)
    assert states == ["paused", "paused", "active", "active", "deleted"]
    assert KeyUse.objects.count() == 0
