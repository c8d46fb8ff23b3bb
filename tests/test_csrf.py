"""T18: every unsafe route needs its CSRF token, and the API takes no session."""

import re
from typing import Any

import pytest
from django.test import Client

from tests.access import BODIES, KEY, OURS, ROUTES, UNSAFE, name_of, seen
from tests.factories import FileFactory
from tests.tables import everything


@pytest.mark.parametrize("persona", ["anonymous", "owner", "admin"])
def test_every_unsafe_route_needs_its_token(persona, project, api_key, owner, admin, signed_in):
    """T18"""
    client = Client(enforce_csrf_checks=True)
    if persona != "anonymous":
        client = signed_in({"owner": owner, "admin": admin}[persona], enforce_csrf_checks=True)
    before = everything()
    ids = {"project_id": project.public_id, "key_id": api_key.public_id}
    for route in ROUTES.values():
        if route.is_api:
            continue
        for method in UNSAFE if route.is_page else ("POST",):
            data: Any = BODIES.get(route.pattern, {}) if method == "POST" else ""
            answer = getattr(client, method.lower())(route.path(**ids), data=data)
            assert answer.status_code == 403, (method, route.pattern)
            assert "<h1>This form has expired</h1>" in answer.content.decode(), (method, route.pattern)
    assert everything() == before


def test_a_token_of_another_session_is_refused(project, api_key, owner, signed_in):
    """T18"""
    client = signed_in(owner, enforce_csrf_checks=True)
    path = ROUTES[KEY + "pause/"].path(project_id=project.public_id, key_id=api_key.public_id)
    client.get(f"/projects/{project.public_id}/settings/")
    assert client.post(path, {"csrfmiddlewaretoken": "a" * 64}).status_code == 403
    assert client.post(path, headers={"X-CSRFToken": "b" * 32}).status_code == 403
    api_key.refresh_from_db()
    assert api_key.is_active


def test_the_token_of_the_page_is_accepted(project, api_key, owner, signed_in):
    """T18, the other way round: otherwise a refusal of everything would pass."""
    client = signed_in(owner, enforce_csrf_checks=True)
    page = client.get(f"/projects/{project.public_id}/settings/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    path = ROUTES[KEY + "pause/"].path(project_id=project.public_id, key_id=api_key.public_id)
    assert client.post(path, {"csrfmiddlewaretoken": token[1]}).status_code == 302
    api_key.refresh_from_db()
    assert api_key.is_paused


@pytest.mark.parametrize("route", [route for route in OURS if route.is_api], ids=name_of)
def test_the_api_has_no_ambient_authority(route, project, api_key, owner, signed_in):
    """T18: no token is asked for, as a session counts for nothing: an owner's equals nobody's."""
    file = FileFactory(project=project)
    path = route.path(file_id=file.public_id)
    session, nobody = signed_in(owner, enforce_csrf_checks=True), Client()
    before = everything()
    for method in UNSAFE:
        with_session, without = (seen(getattr(client, method.lower())(path)) for client in (session, nobody))
        assert with_session == without
        assert with_session[0] in ({400, 404, 405} if "report" in route.pattern else {401, 405})
    assert everything() == before
