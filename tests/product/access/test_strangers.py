"""T16: a stranger learns nothing about things of other people."""

from typing import Any

import pytest
from django.test import Client

from tests.support.factories import ApiKeyFactory, FileFactory
from tests.support.places.access import BODIES, FILE, OF_A_PROJECT, PROJECT, ROUTES, name_of, seen
from tests.support.places.routes import NEVER, Route
from tests.support.stored.tables import everything

pytestmark = pytest.mark.nodb


AS_WHAT: list[dict[str, str]] = [
    {},
    {"Accept": "application/json"},
    {"HX-Request": "true", "HX-Target": "api-keys"},
]


def both(client: Client, route: Route, there: dict[str, str], never: dict[str, str], **options: Any) -> None:
    for method in ("GET", "POST", "DELETE"):
        for headers in AS_WHAT:
            send = {"data": BODIES.get(route.pattern, {}) if method == "POST" else "", **options}
            send["headers"] = headers | options.get("headers", {})
            call = getattr(client, method.lower())
            assert seen(call(route.path(**there), **send)) == seen(call(route.path(**never), **send)), (method, headers)


@pytest.mark.parametrize("persona", ["anonymous", "outsider", "admin"])
@pytest.mark.parametrize("route", OF_A_PROJECT, ids=name_of)
def test_a_strangers_answer_for_a_project_equals_that_for_one_that_never_existed(
    route, persona, clients, project, api_key, viewer, invitation
):
    """T16"""
    there = {"project_id": project.public_id, "key_id": api_key.public_id, "user_id": viewer.public_id}
    there["invitation_id"] = invitation.public_id
    before = everything()
    both(clients[persona], route, there, NEVER)
    assert everything() == before


@pytest.mark.parametrize("persona", ["owner", "outsider"])
@pytest.mark.parametrize("route", [r for r in OF_A_PROJECT if "key_id" in r.pattern], ids=name_of)
def test_anothers_key_under_ones_own_project_equals_one_that_never_existed(
    route, persona, clients, project, api_key, outsider
):
    """T16: for the outsider, `api_key` is a stranger's key. For the owner, it is the key of another own project."""
    mine, key = project, ApiKeyFactory()
    if persona == "outsider":
        mine, key = outsider.projects.get(), api_key
    before = everything()
    both(
        clients[persona],
        route,
        {"project_id": mine.public_id, "key_id": key.public_id},
        {"project_id": mine.public_id, "key_id": NEVER["key_id"]},
    )
    assert everything() == before


@pytest.mark.parametrize("route", [ROUTES[FILE], ROUTES[FILE + "/content"]], ids=name_of)
def test_anothers_file_equals_one_that_never_existed(route, api_key):
    """T16"""
    file = FileFactory()
    before = everything()
    key = {"Authorization": f"Bearer {api_key.secret}"}
    both(Client(), route, {"file_id": file.public_id}, NEVER, headers=key)
    assert everything() == before


@pytest.mark.parametrize("route", OF_A_PROJECT, ids=name_of)
def test_a_deleted_project_is_to_its_owner_as_if_it_had_never_existed(route, clients, project, api_key):
    path = ROUTES[PROJECT + "delete/"].path(project_id=project.public_id)
    clients["owner"].post(path, {"confirmation": project.name})
    clients["owner"].get("/projects/")  # this shows the announcement once
    both(clients["owner"], route, {"project_id": project.public_id, "key_id": api_key.public_id}, NEVER)
