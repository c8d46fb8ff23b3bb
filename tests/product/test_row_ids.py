"""Primary keys never leave the server: not in an address, a page, a file, an answer of the API or a line of the log."""

import re
from itertools import count
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.db import connection
from django.db.models import AutoField
from django.test import Client
from django.urls import reverse

from apikeys.keys.services import create_key
from apikeys.models import ApiKey
from apikeys.usage import counting
from apikeys.verify.verification import verify
from common.row_ids import converter_for_rows
from projects.models import Project
from projects.services import create_project
from tests.support.calls.api_client import bearer
from tests.support.factories import FileFactory, UserFactory
from tests.support.people.accounts import PASSWORD, log_in
from tests.support.places.pages import FETCH
from tests.support.places.routes import all_routes

pytestmark = pytest.mark.nodb

# Rows are numbered from here, table by table, so that their numbers are like no other number on a page.
FIRST, APART = 1_731_000_000, 10_000
ROW = re.compile(r"(?<!\d)1731\d{6}(?!\d)")


def number_rows_from_afar() -> None:
    numbered = [model for model in apps.get_models() if isinstance(model._meta.pk, AutoField) and model._meta.managed]
    for first, model in zip(count(FIRST, APART), numbered, strict=False):
        table, column = model._meta.db_table, model._meta.pk.column
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [table, column])
                # Unlike setval, this ends with the test's transaction.
                cursor.execute(f"ALTER SEQUENCE {cursor.fetchone()[0]} RESTART WITH {first}")
            else:
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, first])


@pytest.fixture
def furnished(db) -> tuple[Client, Project, ApiKey, str]:
    """A person with a project, a used key, a file, another session, a passkey and an app for codes."""
    number_rows_from_afar()
    person = UserFactory(password=PASSWORD)
    project = create_project(name="Acme", owner=person, by=person)
    new = create_key(project=project, name="Server", by=person)
    FileFactory(project=project)
    for _ in range(3):
        verify(f"Bearer {new.secret}", "203.0.113.7")
    counting.flush()
    log_in(Client(), person)
    client = Client()
    log_in(client, person)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    Authenticator.objects.create(user=person, type="webauthn", data={"name": "Laptop", "credential": {}})
    return client, project, new.key, new.secret


def told(answer: Any) -> str:
    body = b"".join(answer) if answer.streaming else answer.content
    return f"{body.decode(errors='replace')} {answer.headers} {answer.cookies}"


def test_no_page_file_answer_or_line_of_the_log_holds_a_primary_key(furnished, capsys):
    client, project, key, secret = furnished
    ids = {"project_id": project.public_id, "key_id": key.public_id}
    ids["file_id"] = project.files.get().public_id
    rows = {"session": UserSession.objects.first(), "passkey": Authenticator.objects.first()}
    asked = 0
    for route in all_routes():
        if route.is_admin or re.search(r"logout|webauthn/(add|reauthenticate)", route.pattern):
            continue
        kind = re.search(r"<(session|passkey)_row:", route.pattern)
        path = route.path(**ids, **({"pk": rows[kind[1]].pk} if kind else {}))
        for headers in (bearer(secret),) if route.is_api else ({}, FETCH):
            answer = client.get(path, headers=headers)
            found = re.findall(rf".{{0,60}}{ROW.pattern}", told(answer) + path)
            assert not found, (path, found)
            asked += answer.status_code == 200
    assert asked > 50
    assert not ROW.search("".join(capsys.readouterr()))


def test_only_the_admin_has_addresses_with_numbers_of_rows():
    """The admin is Django's, and for the operator, who has the database."""
    numbered = [route.pattern for route in all_routes() if re.search(r"<int:|<pk>|\\d\+", route.pattern)]
    assert {pattern for pattern in numbered if not pattern.startswith("admin/")} == set()


def test_the_address_of_a_row_is_always_the_same_and_names_no_row_of_another_kind(settings):
    session, passkey = converter_for_rows("session")(), converter_for_rows("passkey")()
    address = session.to_url(7)
    assert (len(address), session.to_url(7), session.to_python(address)) == (32, address, 7)
    assert len({session.to_url(pk) for pk in range(100)} | {passkey.to_url(pk) for pk in range(100)}) == 200
    for wrong in (passkey.to_url(7), "A" * 32, address[:-1] + ("A" if address[-1] != "A" else "B")):
        with pytest.raises(ValueError, match="names no row"):
            session.to_python(wrong)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new" * 20, [settings.SECRET_KEY]
    assert session.to_python(address) == 7
    assert session.to_url(7) != address
