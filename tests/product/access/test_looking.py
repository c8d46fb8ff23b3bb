"""T19: GET changes nothing."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client

from projects.models import File
from tests.support.factories import FileFactory
from tests.support.places.access import MODELS, ROUTES, recently_signed_in
from tests.support.places.routes import Route
from tests.support.stored.tables import everything

pytestmark = pytest.mark.nodb


@pytest.fixture
def stored_file(project) -> File:
    file: File = FileFactory(project=project)
    return file


@pytest.mark.parametrize("persona", ["anonymous", "owner", "admin"])
def test_looking_changes_nothing(persona, project, api_key, stored_file, owner, viewer, invitation, admin, signed_in):
    """T19: the URLs in the table get the ids of real rows, in the admin too."""
    client = Client()
    if persona != "anonymous":
        client = recently_signed_in({"owner": owner, "admin": admin}[persona], signed_in)
    before, mails = everything(), len(mail.outbox)
    ids = {"project_id": project.public_id, "key_id": api_key.public_id, "file_id": stored_file.public_id}
    for route in ROUTES.values():
        if route.is_admin is not (persona == "admin"):
            continue  # the admin redirects these personas; the table has shown it
        path = route.path(
            **ids, user_id=viewer.public_id, invitation_id=invitation.public_id, object_id=_row_of(route), id=owner.pk
        )
        for method, headers in ways_to_look(route, api_key):
            answer = getattr(client, method)(path, headers=headers)
            b"".join(answer) if answer.streaming else answer.content
            assert answer.status_code < 500, (method, path)
    after = everything()
    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}
    assert len(mail.outbox) == mails
    if persona != "anonymous":
        assert client.get("/projects/").status_code == 200


def ways_to_look(route: Route, key: Any) -> list[tuple[str, dict[str, str]]]:
    if route.is_api:
        return [(method, {"Authorization": f"Bearer {key.secret}"}) for method in ("get", "head", "options")]
    if route.is_page:
        return [("get", {}), ("get", {"HX-Request": "true"}), ("head", {}), ("options", {})]
    return [("get", {}), ("options", {})]


def _row_of(route: Route) -> Any:
    for model in MODELS:
        if f"/{model._meta.model_name}/" in route.pattern:
            row = model._default_manager.first()
            return row.pk if row else 1
    return 1
