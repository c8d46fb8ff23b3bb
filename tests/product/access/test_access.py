"""Who may do what: every URL for every persona."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from projects.models import File
from tests.support.factories import FileFactory
from tests.support.places.access import (
    ACCESS,
    AS_ANOTHER,
    BODIES,
    LOGIN,
    OF_A_PROJECT,
    OURS,
    PERSONAS,
    ROUTES,
    expected,
)

pytestmark = pytest.mark.nodb

# URLs of libraries that strangers may open: sign-up, sign-in and account recovery. All other URLs need a sign-in.
OPEN_TO_STRANGERS = {
    "accounts/login/",
    "accounts/logout/",
    "accounts/inactive/",
    "accounts/signup/",
    "accounts/confirm-email/",
    r"accounts/^confirm-email/(?P<key>[-:\w]+)/$",
    "accounts/password/reset/",
    "accounts/password/reset/confirm/",
    "accounts/password/reset/complete/",
    "accounts/password/reset/done/",
    "accounts/login/code/confirm/",
    "accounts/first-password/",
    "accounts/2fa/authenticate/",
    "accounts/2fa/webauthn/login/",
    "accounts/single-sign-on/",
    "accounts/single-sign-on/callback/",
    "admin/login/",
}


@pytest.fixture
def stored_file(project) -> File:
    file: File = FileFactory(project=project)
    return file


def test_every_url_of_ours_is_in_the_table():
    assert {route.pattern for route in OURS} == set(ACCESS)


def test_strangers_are_let_in_exactly_where_it_is_meant():
    ours = {pattern for pattern, row in ACCESS.items() if LOGIN not in next(iter(row.values()))}
    assert {route.pattern for route in ROUTES.values() if route.is_open} == ours | OPEN_TO_STRANGERS


@pytest.mark.parametrize("pattern", [route.pattern for route in OF_A_PROJECT])
def test_every_url_of_a_project_is_hidden_from_outsiders_and_admins(pattern):
    for statuses in ACCESS[pattern].values():
        assert (statuses[0], statuses[1], statuses[-1]) == (LOGIN, 404, 404)


@pytest.mark.parametrize("pattern", ACCESS)
def test_each_persona_gets_what_the_table_says(
    pattern, clients, other_clients, project, api_key, stored_file, viewer, invitation
):
    """H1: three more personas get the answers of another one."""
    ids = {"project_id": project.public_id, "key_id": api_key.public_id, "file_id": stored_file.public_id}
    path = ROUTES[pattern].path(**ids, user_id=viewer.public_id, invitation_id=invitation.public_id)
    for persona in (*PERSONAS, *AS_ANOTHER):
        with transaction.atomic():
            every = ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "POST")
            for method in ACCESS[pattern] if persona in AS_ANOTHER else every:
                data: Any = BODIES.get(pattern, {}) if method == "POST" else ""
                answer = getattr((clients | other_clients)[persona], method.lower())(path, data=data)
                assert is_answered(answer, expected(pattern, method, persona)), (method, persona, answer)
            transaction.set_rollback(True)


def is_answered(answer: Any, status: int | str) -> bool:
    if status == LOGIN:
        return answer.status_code == 302 and answer.headers["Location"].startswith("/accounts/login/?next=/")
    return bool(answer.status_code == status)


@pytest.mark.parametrize("persona", [*PERSONAS[:-1], *AS_ANOTHER])
def test_the_admin_is_closed_to_all_but_staff(persona, clients, other_clients):
    to = ("/admin/login/", "/accounts/login/")
    for route in ROUTES.values():
        if route.is_admin and not route.is_open:
            answer = (clients | other_clients)[persona].get(route.path())
            assert answer.status_code == 302, route.pattern
            # The admin's own sign-out redirects others to its front page, and that page redirects to the login.
            assert answer.headers["Location"].startswith(to) or route.pattern == "admin/logout/", route.pattern


def test_account_pages_that_are_not_open_lead_strangers_to_the_login(db):
    for route in ROUTES.values():
        if route.is_account and not route.is_open:
            answer = Client().get(route.path())
            assert answer.status_code == 302, route.pattern
            assert answer.headers["Location"].startswith("/accounts/login/?next="), route.pattern
