"""Wrong and hostile input gets a 4xx or an error beside its field, and stores nothing."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from django import forms
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from apikeys.models import ApiKey
from common.names import clean_name
from projects.forms import ListForm
from projects.models import Project
from tests.support.calls.hostile import SENT, assert_harmless
from tests.support.environment import ON_SQLITE
from tests.support.places.routes import all_routes
from tests.support.stored.tables import everything

# The parameters that each page reads from its URL.
PARAMETERS = {
    "projects/": ["q", "page"],
    "projects/<project_id:project_id>/": ["key"],
    "projects/<project_id:project_id>/settings/": ["q", "page", "state", "created"],
    "projects/<project_id:project_id>/activity/": ["page", "kind", "person", "key"],
    "projects/<project_id:project_id>/activity.csv": ["kind", "person", "key"],
    "projects/<project_id:project_id>/members/": ["q", "page"],
    "projects/<project_id:project_id>/usage/": ["range", "key", "page"],
    "projects/<project_id:project_id>/usage.csv": ["range", "key"],
    "accounts/login/": ["next"],
    "accounts/signup/": ["next"],
    "accounts/logout/": ["next"],
    "accounts/reauthenticate/": ["next"],
}
PAGES = [route for route in all_routes() if route.is_page and not route.pattern.startswith(("health", "favicon"))]


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


# Addresses


@pytest.mark.parametrize(("pattern", "name"), [(page, name) for page, names in PARAMETERS.items() for name in names])
def test_no_parameter_of_an_address_can_break_a_page(pattern, name, client, project, api_key):
    """T25"""
    route = next(route for route in all_routes() if route.pattern == pattern)
    path = route.path(project_id=project.public_id)
    before = everything()
    for sent in SENT:
        query = f"{name}={sent}"
        assert_harmless(client.get(f"{path}?{query}"), query)
    assert everything() == before


@pytest.mark.nodb
@pytest.mark.parametrize("route", PAGES, ids=lambda route: route.pattern)
def test_parameters_that_a_page_does_not_read_cannot_break_it(route, client, project, api_key):
    """T25"""
    path = route.path(project_id=project.public_id, key_id=api_key.public_id)
    for sent in SENT:
        query = "&".join(f"{name}={sent}" for name in ("q", "page", "state", "created", "key", "next", sent))
        assert_harmless(client.get(f"{path}?{query}"), query)


@pytest.mark.parametrize("page", ["0", "-1", "1.5", "x", "9" * 30, "1000001"])
def test_a_page_number_that_no_link_of_ours_has_is_refused(page, client, project, api_key):
    of_project = [f"/projects/{project.public_id}/{name}/" for name in ("settings", "activity", "members")]
    for path in ("/projects/", *of_project):
        answer = client.get(path, {"page": page})
        assert answer.status_code == 400
        assert "<h1>This link doesn't work</h1>" in answer.content.decode()


def test_a_page_after_the_last_shows_the_last(client, project, api_key):
    assert client.get(f"/projects/{project.public_id}/settings/", {"page": "7"}).status_code == 200


def test_no_path_can_break_the_server(client, project, api_key):
    """T25"""
    before = everything()
    for sent in SENT:
        if len(sent) > 3000:
            sent = sent[:3000]
        for path in (
            f"/{sent}",
            f"/projects/{sent}/",
            f"/projects/{project.public_id}{sent}/settings/",
            f"/projects/{project.public_id}/keys/{sent}/pause/",
            f"/projects/{project.public_id}/keys/{api_key.public_id}{sent}/delete/",
            f"/accounts/confirm-email/{sent}/",
            f"/accounts/2fa/webauthn/keys/{sent}/edit/",
            f"/accounts/sessions/{sent}/end/",
            f"/api/v1/files/{sent}",
        ):
            assert_harmless(client.get(path), path)
            assert client.post(path).status_code in {301, 302, 401, 403, 404, 405}, path
    assert everything() == before


# Forms


class Field(NamedTuple):
    """A field of a form, and valid values for the form's other fields."""

    path: str
    name: str
    rest: dict[str, str]

    def __str__(self) -> str:
        return f"{self.path} {self.name}"


FIELDS = [
    Field("/projects/new/", "name", {}),
    Field("/projects/new/", "form_token", {"name": "Fine"}),
    Field("{project}settings/", "name", {}),
    Field("{project}mails/", "created", {}),
    Field("{project}delete/", "confirmation", {}),
    Field("{project}keys/new/", "name", {}),
    Field("{project}keys/new/", "form_token", {"name": "Fine"}),
    Field("{project}keys/new/", "next", {"name": "Fine"}),
    Field("{key}pause/", "next", {}),
    Field("{key}pause-for/", "length", {}),
    Field("{key}pause-for/", "until", {"length": "until"}),
    Field("{key}pause-for/", "zone", {"length": "until", "until": "2027-02-26T09:30"}),
    Field("{key}pause-for/", "note", {"length": "5m"}),
    Field("{key}resume/", "next", {}),
    Field("{key}resume/", "seen", {}),
    Field("{key}copy/", "next", {}),
    Field("{key}delete/", "confirmation", {}),
    Field("{key}delete/", "next", {"confirmation": "Production server"}),
    Field("/accounts/login/", "login", {"password": "wrong"}),
    Field("/accounts/login/", "password", {"login": "owner@example.com"}),
    Field("/accounts/login/", "next", {"login": "guest@example.com", "password": "correct horse"}),
    Field("/accounts/signup/", "email", {"password1": "correct horse battery"}),
    Field("/accounts/signup/", "password1", {"email": "new@example.com"}),
    Field("/accounts/signup/", "next", {"email": "new@example.com", "password1": "correct horse battery"}),
    Field("/accounts/password/reset/", "email", {}),
    Field("/accounts/email/", "email", {"action_add": ""}),
    Field("/accounts/password/change/", "oldpassword", {"password1": "correct horse battery"}),
]


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_no_field_of_a_form_can_break_it(field, client, project, api_key, signed_in):
    """T25: sent byte for byte as browsers do. A rejected form stores nothing."""
    if field.path.startswith("/accounts/") and "password/change" not in field.path and "email" not in field.path[-7:]:
        client = Client()
        User.objects.create_user("guest@example.com", "correct horse")
    api_key.last_used_at = timezone.now()
    api_key.save()
    at = f"/projects/{project.public_id}/"
    path = field.path.format(project=at, key=f"{at}keys/{api_key.public_id}/")
    rest = "".join(f"&{name}={quote(value)}" for name, value in field.rest.items())
    before = everything()
    for sent in SENT:
        with transaction.atomic():
            body = f"{field.name}={sent}{rest}".encode()
            answer = client.post(path, body, content_type="application/x-www-form-urlencoded")
            assert_harmless(answer, sent)
            if answer.status_code >= 400:
                assert everything() == before, sent
            assert all(is_clean(row.name) for model in (Project, ApiKey) for row in model._default_manager.all()), sent
            transaction.set_rollback(True)


def is_clean(name: str) -> bool:
    return name == clean_name(name)


def test_a_body_of_a_kind_that_no_form_sends_is_refused(client, project, api_key):
    """T25: JSON, XML, an empty body, multipart without a boundary, and unknown charsets."""
    path = f"/projects/{project.public_id}/keys/new/"
    for content_type, body in [
        ("application/json", b'{"name": "Fine"}'),
        ("application/json", b"\xff"),
        ("text/xml", b"<name>Fine</name>"),
        ("", b"name=Fine"),
        ("multipart/form-data", b"name=Fine"),
        ("multipart/form-data; boundary=", b"name=Fine"),
        ("multipart/form-data; boundary=\xff", b"--"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nFi'),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="na\x00me"\r\n\r\nFi\r\n--x--',
        ),
        ("multipart/form-data; boundary=x", b"\x00" * 1000),
        ("application/x-www-form-urlencoded; charset=utf-16", b"name=Fine"),
        ("application/x-www-form-urlencoded; charset=hex", b"name=%41"),
        ("application/x-www-form-urlencoded; charset=nothing", b"name="),
    ]:
        before = everything()
        answer = client.generic("POST", path, body, content_type=content_type)
        # A body that stops too early is read up to its end, as Django does. Every other body is rejected.
        assert 400 <= answer.status_code < 500 or body.endswith(b"\r\nFi"), (content_type, body, answer)
        assert_harmless(answer, content_type)
        if answer.status_code >= 400:
            assert everything() == before, content_type


def test_more_than_a_form_could_hold_is_refused(client, project, api_key):
    """T25: too many fields, too large a body, more files than any form sends."""
    before = everything()
    path = f"/projects/{project.public_id}/keys/new/"
    many = {"name": "Fine"} | {f"field{number}": "x" for number in range(1001)}
    long = b"name=Fine&x=" + b"x" * 1_000_000
    assert_refused(client.post(path, many))
    assert_refused(client.post(path, long, content_type="application/x-www-form-urlencoded"))
    assert_refused(client.post(path, {"name": "Fine", "x": "x" * 1_000_000}))
    assert_refused(client.get("/projects/?" + "&".join(["q=x"] * 5_000)))
    assert everything() == before


def assert_refused(answer: Any) -> None:
    assert answer.status_code in {400, 413}
    assert "<h1>" in answer.content.decode(), "the page is our own"


def test_both_databases_are_tested():
    """T25 is promised for both; `make test` runs this file twice."""
    from django.db import connection

    assert connection.vendor == ("sqlite" if ON_SQLITE else "postgresql")


def forms_of(form: type[forms.Form]) -> Iterator[type[forms.Form]]:
    for child in form.__subclasses__():
        if child.__module__.split(".")[0] in {"accounts", "apikeys", "projects"}:
            yield child
        yield from forms_of(child)


def test_a_choice_that_is_not_there_is_answered_in_our_words():
    """Django would repeat the value: "Select a valid choice. 30 is not one of the available choices." The choice in a
    list's address is answered with 400.
    """
    found = [(form, field) for form in {*forms_of(forms.Form)} for field in form.base_fields.values()]
    chosen = [(form, field) for form, field in found if isinstance(field, forms.ChoiceField)]
    assert len({form for form, _ in chosen}) > 4
    raw = forms.ChoiceField.default_error_messages["invalid_choice"]
    assert not [form for form, field in chosen if field.error_messages["invalid_choice"] == raw and not is_a_list(form)]


def is_a_list(form: type[forms.Form]) -> bool:
    return issubclass(form, ListForm)
