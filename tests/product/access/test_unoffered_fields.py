"""T17: fields that no form offers are ignored."""

from typing import Any, NamedTuple

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models, transaction
from django.test import Client

from accounts.models import User
from apikeys.models import ApiKey
from projects.invitations.models import Invitation
from projects.models import File, Project
from projects.permissions import Role
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.places.access import ACCESS, BODIES, KEY, MODELS, OURS, recently_signed_in
from tests.support.places.routes import NEVER

pytestmark = pytest.mark.nodb

PROTECTED = ("project", "digest", "state", "created_by", "ciphertext", "role", "is_staff")


class Form(NamedTuple):
    path: str
    data: dict[str, Any]


def forms_of(project: Project, key: ApiKey, second: User, invitation: Invitation) -> list[Form]:
    """Every form of ours with valid values, and allauth's forms that write users. `second` is another owner."""
    ids = {"project_id": project.public_id, "key_id": key.public_id, "user_id": second.public_id}
    ids["invitation_id"] = invitation.public_id
    bodies = BODIES | {KEY + "hand-over/": {"how": "offer", "to": second.public_id}}
    ours = [
        Form(route.path(**ids), bodies.get(route.pattern, {}))
        for route in OURS
        if route.is_page and "POST" in ACCESS[route.pattern] and route.pattern not in {"favicon.ico"}
    ]
    email = Form("/accounts/email/", {"action_add": "", "email": "second@example.com"})
    signup = Form("/accounts/signup/", {"email": "new@example.com", "password1": "correct horse battery"})
    return [*ours, email, signup]


def protected_columns(known: dict[type[models.Model], set[Any]]) -> dict[str, Any]:
    """Each row's protected columns. For the bytes of a new row, only whether they equal the posted bytes."""
    found: dict[str, Any] = {}
    for model in MODELS:
        fields = [f for f in model._meta.fields if f.name in (*PROTECTED, "user", "by", "is_superuser")]
        for row in model._default_manager.order_by("pk").values("pk", *(field.attname for field in fields)):
            new = row["pk"] not in known[model]
            values = {field.name: _comparable(field, row[field.attname], known, new) for field in fields}
            found.setdefault(f"{model.__name__} {'new' if new else row['pk']}", []).append(values)
    return found


def _comparable(field: Any, value: Any, known: dict[type[models.Model], set[Any]], new: bool) -> Any:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value) == b"hostile" if new else bytes(value)
    if field.is_relation and value not in known[field.related_model]:
        return "new"
    return value


@pytest.fixture
def second(project) -> User:
    user: User = MembershipFactory(project=project, user=UserFactory(email="second-owner@example.com")).user
    return user


FORMS = 37


@pytest.mark.parametrize("number", range(FORMS))
def test_fields_that_no_form_offers_are_ignored(
    number, project, api_key, owner, second, invitation, outsider, signed_in
):
    """T17"""
    other = outsider.projects.get()
    MembershipFactory(project=other, user=owner, role=Role.VIEWER)
    hostile: dict[str, Any] = {
        "project": other.pk,
        "project_id": other.public_id,
        "digest": "hostile",
        "ciphertext": "hostile",
        "state": "deleted",
        "created_by": outsider.pk,
        "created_by_id": outsider.pk,
        "by": outsider.pk,
        "user": outsider.pk,
        "role": "owner",
        "is_staff": "on",
        "is_superuser": "on",
        "pk": other.pk,
        "id": other.pk,
        "public_id": NEVER["key_id"],
        "deleted_at": "2020-01-01",
    }
    form = forms_of(project, api_key, second, invitation)[number]
    known = {model: set(model._default_manager.values_list("pk", flat=True)) for model in MODELS}

    def outcome(extra: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        client = Client() if "signup" in form.path else recently_signed_in(owner, signed_in)
        with transaction.atomic():
            answer = client.post(form.path, extra | form.data)
            found = protected_columns(known)
            transaction.set_rollback(True)
        return answer.status_code, found

    plain = outcome({})
    assert plain[0] in {200, 302}, "the form alone succeeds"
    assert outcome(hostile) == plain


def test_every_form_is_tried_for_fields_that_it_does_not_offer(project, api_key, second, invitation):
    assert len(forms_of(project, api_key, second, invitation)) == FORMS


def test_an_upload_takes_its_project_and_its_creator_from_the_key(api_key, outsider):
    """T17"""
    other = outsider.projects.get()
    Client().post(
        "/api/v1/files",
        {
            "file": SimpleUploadedFile("a.txt", b"a"),
            "project": other.pk,
            "project_id": other.public_id,
            "created_by": outsider.pk,
            "public_id": NEVER["file_id"],
        },
        headers={"Authorization": f"Bearer {api_key.secret}"},
    )
    file = File.objects.get()
    assert (file.project, file.created_by) == (api_key.project, api_key.created_by)
    assert file.public_id != NEVER["file_id"]
