"""A database from before version 0.1.0: what refuses it, and what `convertdatabase` makes of it."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from accounts.models import User
from config import older_database
from config.management.commands import convertdatabase
from config.monitoring import readiness
from tests.config.older_database.schema import schema
from tests.support.environment import ON_SQLITE
from tests.support.stored.tables import everything

FOLDER = Path(__file__).parent
# The fixture's app of the second factor.
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CONVERTED = {"converted": True, "columns": 7, "addresses": 1, "second_factors": 2, "sessions": 1}
CHANGED = {
    *("accounts_user", "account_emailaddress", "mfa_authenticator", "usersessions_usersession", "django_migrations"),
}


@pytest.fixture
def new_schema(transactional_db) -> dict[str, list[str]]:
    """That of the tests' own database, which `migrate` has just made."""
    return schema()


@pytest.fixture
def older(transactional_db, new_schema, tmp_path) -> Iterator[None]:
    """The connection leads to a database that the code before version 0.1.0 made, with rows of each kind."""
    own = connection.settings_dict["NAME"]
    name = str(tmp_path / "older.sqlite3") if ON_SQLITE else "older"
    if not ON_SQLITE:
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE older")
    lead_to(name)
    load((FOLDER / f"older.{connection.vendor}.sql").read_text())
    yield
    lead_to(own)
    if not ON_SQLITE:
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE older WITH (FORCE)")


def lead_to(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name


def load(sql: str) -> None:
    connection.ensure_connection()
    if ON_SQLITE:
        connection.connection.executescript(sql)
    else:
        connection.connection.execute(sql)


def convert(*arguments: str) -> Any:
    out = StringIO()
    call_command("convertdatabase", "--json", *arguments, stdout=out)
    return json.loads(out.getvalue())


def test_an_older_database_is_refused_on_one_line_that_names_the_command(older, client, lines):
    with pytest.raises(SystemCheckError) as refused:
        call_command("migrate", verbosity=0, skip_checks=False)
    assert [line for line in str(refused.value).splitlines() if "convertdatabase" in line] == [
        "?: (config.E001) This database was made before version 0.1.0. Run: manage.py convertdatabase"
    ]
    assert readiness.refusal() == f"DATABASE_URL: {older_database.PROBLEM}"
    assert client.get("/health/ready").status_code == 503
    assert older_database.PROBLEM in lines.getvalue()


def test_a_converted_database_is_one_that_migrate_has_made(new_schema, older, client):
    assert schema() != new_schema
    assert convert() == CONVERTED
    call_command("migrate", verbosity=0)
    converted = schema()
    assert {name for name in {*converted, *new_schema} if converted.get(name) != new_schema.get(name)} == set()
    call_command("migrate", "--check", verbosity=0, skip_checks=False)
    assert not older_database.FORMER & MigrationRecorder(connection).applied_migrations().keys()
    assert client.get("/health/ready").status_code == 200
    assert convert() == {"converted": False}


def test_a_conversion_ends_sessions_keeps_every_other_row_and_encrypts_what_was_plain(older):
    before = everything()
    convert()
    after = everything()
    assert {table for table, rows in before.items() if after[table] != rows} == CHANGED
    assert all(
        len(after[table]) == len(before[table]) for table in CHANGED - {"django_migrations", "usersessions_usersession"}
    )
    ada = User.objects.only("email").get(email="ada@xn--mller-kva.test")  # other columns come with migrate
    assert EmailAddress.objects.filter(user=ada, email=ada.email, verified=True).exists()
    assert SEED not in repr(list(Authenticator.objects.values_list("data")))
    if ON_SQLITE:
        file = Path(connection.settings_dict["NAME"])
        stored = b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
        assert b"ada@xn--mller-kva.test" in stored
        assert SEED.encode() not in stored, "nor in a free page or the journal"
    assert [sessions.objects.count() for sessions in (Session, UserSession)] == [0, 0]


def test_a_dry_run_and_a_conversion_that_fails_change_nothing(older, settings):
    before, stored = schema(), everything()
    sessions = list(Session.objects.values())
    assert convert("--dry-run") == CONVERTED | {"converted": False}
    assert (schema(), everything(), list(Session.objects.values())) == (before, stored, sessions)
    settings.KEY_RING = ""
    with pytest.raises(CommandError, match="KEY_RING"):
        convert()
    assert (schema(), everything(), list(Session.objects.values())) == (before, stored, sessions)


def test_a_database_that_is_older_than_the_last_checkout_has_to_be_migrated_there(older):
    MigrationRecorder(connection).record_unapplied("apikeys", "0010_events_move_to_the_audit_log")
    before = everything()
    with pytest.raises(CommandError, match=r"lacks 1 migration \(apikeys 0010_events_move_to_the_audit_log\)") as error:
        convert()
    assert "the last commit before v0.1.0" in str(error.value)
    assert everything() == before


@pytest.mark.django_db
def test_a_new_database_needs_no_conversion():
    assert convert() == {"converted": False}


@pytest.mark.nodb
def test_the_conversion_leads_to_migrations_that_exist():
    assert set(convertdatabase.OF_V0_1_0) <= readiness.expected_migrations()
    assert not older_database.FORMER & readiness.expected_migrations()
