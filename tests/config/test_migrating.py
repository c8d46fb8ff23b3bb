"""How long a migration may take, and what is lost when the last one is taken back."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from apikeys.keys.services import create_key, keep_secrets, report_leak, resume_key, show_secrets_once
from projects.audit_log.models import AuditEvent
from projects.memberships import change_member
from projects.permissions import Role
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


def test_taking_back_events_of_a_project_leaves_those_of_its_keys(project, owner, outsider):
    create_key(project=project, name="Production server", by=owner)
    show_secrets_once(project=project, by=owner)
    keep_secrets(project=project, by=owner)
    change_member(project=project, user=outsider, role=Role.VIEWER, by=owner)
    everything = list(AuditEvent.objects.values())
    of_members = list(AuditEvent.objects.filter(kind="member_added").values_list("pk", flat=True))
    before = [row for row in events_of_0005("projects_auditevent") if row["id"] not in of_members]
    of_keys = [row for row in before if row["key_id"]]
    assert (len(of_keys), len(before), len(everything)) == (2, 4, 5)
    try:
        call_command("migrate", "apikeys", "0005", verbosity=0)
        assert events_of_0005() == before
        call_command("migrate", "apikeys", "0004", verbosity=0)
        assert events_of_0005() == of_keys
        call_command("migrate", "projects", "0002", verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    assert list(AuditEvent.objects.values()) == [row for row in everything if row["key_id"]]


def events_of_0005(table: str = "apikeys_keyevent") -> list[Any]:
    """The columns that the release before events of members knows."""
    columns = ("id", "project_id", "key_id", "kind", "by_id", "address", "at")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY at DESC, id DESC")  # noqa: S608
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def test_taking_back_the_event_of_a_reported_key_keeps_that_it_was_re_enabled(api_key):
    """The previous release calls every such event "re-enabled"."""
    report_leak(secret=api_key.secret)
    resume_key(key=api_key, by=None, although_reported=True)
    try:
        call_command("migrate", "apikeys", "0006", verbosity=0)
        kinds = [row["kind"] for row in events_of_0005()]
        assert kinds == ["resumed", "reported", "created"]
    finally:
        call_command("migrate", verbosity=0)
