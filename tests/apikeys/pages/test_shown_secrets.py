"""A secret that is shown once: the page that shows it, and its absence afterwards."""

import json
import re
from functools import partial
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.test.signals import template_rendered
from django.urls import reverse

from accounts.sessions.store import data_of
from apikeys.keys.secret_storage import show_secrets_once
from apikeys.keys.services import create_key
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from common.instants import in_words
from projects.audit_log.models import AuditEvent
from projects.models import Project
from tests.support.people.sessions import log_in
from tests.support.places.pages import FETCH, HTMX, action, text
from tests.support.programs.parallel import in_parallel

SECRET = re.compile(r"lk_[0-9A-Za-z]{36}")
ONCE = "Copy it now. You won't see it again."
TOKEN = "a-token-of-one-form-1"
POSTS = 20


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def page(name: str, project: Project) -> str:
    return reverse(f"apikeys:{name}", args=[project.public_id])


def created(client: Client, project: Project, name: str = "Server", **headers: Any) -> Any:
    fields = {"name": name, "form_token": TOKEN, "next": headers.pop("next", "")}
    return client.post(page("create", project), fields, headers=headers)


def secrets_in(answer: Any) -> set[str]:
    return set(SECRET.findall(answer.content.decode()))


# Creating


def test_without_script_the_answer_to_the_form_is_the_page_with_the_secret(client, once):
    answer = created(client, once)
    key = ApiKey.objects.get()
    (secret,) = secrets_in(answer)
    assert verify(f"Bearer {secret}").identity.key_id == key.public_id
    assert answer.content.decode().count(secret) == 3, "the key, and the lines for a shell and a .env file"
    assert ONCE in text(answer)
    assert "no-store" in answer.headers["Cache-Control"]
    assert key.ciphertext is None


def test_htmx_gets_a_dialog_with_the_mask_to_look_at_that_nothing_else_on_the_page_replaces(client, once):
    answer = created(client, once, **HTMX)
    key = ApiKey.objects.get()
    (secret,) = secrets_in(answer)
    content = answer.content.decode()
    assert content.count(secret) == content.count(f'data-once="{secret}"') == 3
    assert secret not in text(answer)
    assert key.mask in text(answer)
    assert ONCE in text(answer)
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("body", "beforeend")
    assert 'id="shown-once"' in content
    assert 'closedby="none"' in content
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(("form", "leads_to"), [("onboarding", "start/"), ("create", "keys/key_")])
def test_a_form_on_a_page_of_its_own_gets_the_same(client, once, form, leads_to):
    """P5"""
    shown = client.get(page(form, once)).content.decode()
    assert re.search(rf'name="next"\s+value="{form}"', shown)
    assert "hx-post=" in shown
    answer = created(client, once, next=form, **HTMX)
    (secret,) = secrets_in(answer)
    assert answer.content.decode().count(f'data-once="{secret}"') == 3
    assert re.search(rf'href="[^"]*{leads_to}[^"]*" data-saved>I have saved it<', answer.content.decode())
    assert not secrets_in(client.get(page("onboarding", once)))
    assert "shown once, when the key was created" in text(client.get(page("onboarding", once)))


@pytest.mark.parametrize("next_page", ["", "onboarding"])
def test_a_second_submission_creates_nothing_and_says_what_to_do(client, once, next_page):
    """T14"""
    assert secrets_in(created(client, once, next=next_page))
    again = created(client, once, next=next_page)
    assert again.status_code == 409
    assert not secrets_in(again)
    assert "The secret was shown once" in text(again)
    assert "Roll…" in text(again)
    assert ApiKey.objects.count() == 1
    by_script = created(client, once, **HTMX)
    assert by_script.status_code == 200
    assert "Server exists already. Its secret was shown once" in text(by_script)
    assert not secrets_in(by_script)
    on_a_page = created(client, once, next="create", **HTMX)
    assert "Its secret was shown once" in text(client.get(on_a_page.headers["HX-Redirect"]))


def test_a_form_of_a_key_that_was_destroyed_since_says_so_too(client, project, owner):
    created(client, project)
    show_secrets_once(project=project, by=owner)
    assert created(client, project).status_code == 409


def test_a_bad_name_makes_nothing_and_shows_nothing(client, once):
    for headers in ({}, HTMX):
        answer = client.post(page("create", once), {"name": "a\u202eb", "next": "create"}, headers=headers)
        assert answer.status_code == 422
    assert not ApiKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_form_that_is_posted_20_times_creates_one_key_and_shows_one_secret(transactional_db, once, owner):
    """T14"""
    clients = [Client() for _ in range(POSTS)]
    for client in clients:
        log_in(client, owner)
    answers = in_parallel([partial(created, client, once) for client in clients])
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (POSTS - 1)
    assert [len(secrets_in(answer)) for answer in answers if secrets_in(answer)] == [1]
    assert ApiKey.objects.count() == 1
    assert AuditEvent.objects.filter(kind="created").count() == 1


# Afterwards


@pytest.mark.parametrize("name", ["copy", "reveal"])
def test_asking_for_what_is_not_stored_says_what_to_do(client, once, owner, name):
    key = create_key(project=once, name="Server", by=owner).key
    fetched = client.post(action(name, key), headers=FETCH)
    assert fetched.status_code == 409
    assert "is not stored. If you lost it, roll the key." in fetched.json()["message"]
    shown = client.post(action(name, key))
    assert shown.status_code == 409
    assert "Roll…" in text(shown)
    assert list(key.events.values_list("kind", flat=True)) == ["created"], "nothing was shown"


@pytest.mark.parametrize("persona", ["owner", "viewer"])
def test_pages_show_the_mask_without_copy_and_say_why(persona, once, owner, viewer, signed_in):
    key = create_key(project=once, name="Server", by=owner).key
    client = signed_in({"owner": owner, "viewer": viewer}[persona])
    for name in ("dashboard", "settings"):
        answer = client.get(page(name, once))
        assert key.mask in text(answer)
        assert "Not stored" in text(answer)
        for url in (action("copy", key), action("reveal", key)):
            assert url not in answer.content.decode()
    dashboard = client.get(page("dashboard", once))
    assert ("roll the key" in text(dashboard)) is (persona == "owner")
    assert "Only owners and developers of the project can copy" not in text(dashboard), "not even owners can copy it"
    assert "LATCHKEY_API_KEY" in text(dashboard), "snippets still read the environment"


def test_the_address_that_follows_a_creation_shows_no_copy_of_what_is_not_stored(client, once, owner):
    key = create_key(project=once, name="Server", by=owner).key
    answer = client.get(page("settings", once), {"created": key.public_id})
    assert "Server is ready" in text(answer)
    assert action("copy", key) not in answer.content.decode()


def test_a_deleted_key_is_not_said_to_be_shown_once(client, once, owner):
    key = create_key(project=once, name="Server", by=owner).key
    client.post(action("delete", key))
    rows = client.get(page("settings", once), {"state": "deleted"}).content.decode()
    assert key.mask in rows
    assert ">Not stored<" not in rows


def test_the_activity_says_that_the_stored_secret_was_destroyed(client, project, api_key):
    client.post(page("show_once", project), {"confirmation": project.name}, REMOTE_ADDR="192.0.2.1")
    shown = text(client.get(page("activity", project)))
    assert "owner@example.com destroyed the stored secret of Production server from 192.0.2.1" in shown


def test_the_secret_is_in_no_session_and_no_other_answer(client, once, caplog):
    """T29, T31"""
    caplog.set_level(0)
    (secret,) = secrets_in(answer := created(client, once))
    assert secret not in str(answer.headers) + str(answer.cookies)
    assert not any(secret in json.dumps(data_of(session)) for session in Session.objects.all())
    for name in ("settings", "dashboard", "onboarding", "activity", "create"):
        assert secret not in client.get(page(name, once)).content.decode()
    assert secret not in caplog.text
    assert "/keys/new/" in caplog.text


def test_a_failure_while_the_secret_is_shown_tells_it_to_nobody(client, once, caplog, mailoutbox, settings):
    """T29"""
    settings.ADMINS = [("Operator", "operator@example.com")]
    secrets = []

    def fail(template: Any, context: Any, **kwargs: Any) -> None:
        if template.name == "apikeys/secret.html":
            secrets.append(context["new_secret"])
            raise RuntimeError("broken")

    client.raise_request_exception = False
    template_rendered.connect(fail)
    try:
        answer = created(client, once)
    finally:
        template_rendered.disconnect(fail)
    assert answer.status_code == 500
    (secret,) = secrets
    assert SECRET.fullmatch(secret)
    assert "broken" in caplog.text
    assert secret not in answer.content.decode() + caplog.text
    assert not any(secret in f"{mail.subject}{mail.body}{mail.alternatives}" for mail in mailoutbox)


def test_a_secret_that_was_stored_and_destroyed_is_not_said_to_have_been_shown_once(client, project, owner):
    key = create_key(project=project, name="Server", by=owner).key
    show_secrets_once(project=project, by=owner)
    key.refresh_from_db()
    for answer in (client.get(action("key", key)), client.post(action("reveal", key))):
        said = text(answer)
        assert f"The secret was stored until {in_words(key.events.get(kind='forgotten').at)}." in said
        assert "shown once, when the key was created" not in said
        assert "roll the key" in said
