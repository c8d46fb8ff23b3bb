"""What a person keeps who is no longer a member: the page that was open, the session, and keys that they created."""

import pytest
from django.test import Client

from accounts.models import User
from apikeys.keys.services import create_key
from projects.members.memberships import change_member
from projects.permissions import Role
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.places.access import BODIES, OF_A_PROJECT, expected, seen
from tests.support.places.pages import FETCH, HTMX
from tests.support.places.routes import NEVER
from tests.support.stored.tables import everything

pytestmark = pytest.mark.nodb


@pytest.fixture
def second(project) -> User:
    user: User = MembershipFactory(project=project, user=UserFactory(email="second@example.com")).user
    return user


@pytest.fixture
def ids(project, api_key, viewer, invitation) -> dict[str, str]:
    return {"project_id": project.public_id, "key_id": api_key.public_id, "user_id": viewer.public_id} | {
        "invitation_id": invitation.public_id
    }


def open_page(ids: dict[str, str]) -> str:
    return f"http://testserver/projects/{ids['project_id']}/members/"


def test_a_removed_members_session_and_open_page_do_nothing_from_the_next_request_on(
    ids, project, owner, second, signed_in
):
    """H5: each URL answers as for a project that never existed, plain, for htmx and for a script."""
    client = signed_in(second)
    key = create_key(project=project, name="Of the former member", by=second)
    assert client.get(open_page(ids)).status_code == 200
    change_member(project=project, user=second, role=None, by=owner)
    before = everything()
    for route in OF_A_PROJECT:
        for method in ("get", "post"):
            for headers in ({}, HTMX, FETCH):
                data = BODIES.get(route.pattern, {}) if method == "post" else {}
                there, never = (
                    getattr(client, method)(
                        route.path(**where), data, headers={"HX-Current-URL": open_page(where), **headers}
                    )
                    for where in (ids, NEVER)
                )
                assert seen(there) == seen(never), (route.pattern, method, headers)
                assert there.status_code in {404, 405}, (route.pattern, method)
    assert everything() == before
    bearer = {"Authorization": f"Bearer {key.secret}"}
    assert Client().get("/api/v1/verify", headers=bearer).status_code == 204, "keys belong to the project"


def test_a_demoted_owners_session_gets_a_viewers_answers_from_the_next_request_on(
    ids, project, owner, second, signed_in
):
    """H5"""
    client = signed_in(second)
    assert client.get(f"/projects/{project.public_id}/settings/").status_code == 200
    change_member(project=project, user=second, role=Role.VIEWER, by=owner)
    before = everything()
    for route in OF_A_PROJECT:
        if "/leave/" in route.pattern:
            continue  # everybody may leave
        answer = client.post(route.path(**ids), BODIES.get(route.pattern, {}))
        assert answer.status_code == expected(route.pattern, "POST", "viewer"), route.pattern
    assert everything() == before
