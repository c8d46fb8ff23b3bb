"""Projects that show a secret only once: this setting on the pages and in commands."""

import json
import re
import time
from io import StringIO
from threading import Event
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from apikeys.demo.sample_account import create_demo
from apikeys.keys.secret_storage import keep_secrets, show_secrets_once
from apikeys.keys.services import copy_secret, create_key, delete_key, report_leak
from apikeys.models import RECENTLY, ApiKey
from apikeys.verify.verification import verify
from projects.audit_log.models import AuditEvent
from projects.models import Project
from tests.support.environment import ON_SQLITE
from tests.support.people.sessions import age
from tests.support.places.pages import FETCH, HTMX, action, text
from tests.support.programs.parallel import in_parallel


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def page(name: str, project: Project) -> str:
    return reverse(f"apikeys:{name}", args=[project.public_id])


# The choice


def stop_storing(client: Client, project: Project, **options: Any) -> Any:
    return client.post(page("show_once", project), {"confirmation": project.name}, **options)


def test_switching_on_says_how_many_secrets_it_destroys_and_destroys_them(client, project, api_key, owner):
    create_key(project=project, name="Second", by=owner)
    for headers in ({}, HTMX):
        asked = text(client.get(page("show_once", project), headers=headers))
        assert "Destroy the stored secrets of 2 keys?" in asked
        assert "This cannot be undone." in asked
        assert "This changes nothing else about your API keys." in asked
        assert "Type Acme Weather to confirm" in asked
    answer = stop_storing(client, project, follow=True)
    assert answer.redirect_chain == [(page("settings", project) + "#show-once", 302)]
    assert "The stored secrets of 2 keys were destroyed." in text(answer)
    assert not ApiKey.objects.filter(ciphertext__isnull=False).exists()
    assert AuditEvent.objects.filter(kind="forgotten").count() == 2
    assert verify(f"Bearer {api_key.secret}").identity, "the key still works"
    client.post(page("show_once", project))
    assert AuditEvent.objects.filter(kind="forgotten").count() == 2


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
@pytest.mark.parametrize("typed", ["", "Acme"])
def test_stored_secrets_are_destroyed_only_once_the_projects_name_was_typed(client, project, api_key, typed, headers):
    answer = client.post(page("show_once", project), {"confirmation": typed}, headers=headers)
    assert answer.status_code == 422
    assert "Type the name exactly: Acme Weather" in text(answer)
    assert ApiKey.objects.filter(ciphertext__isnull=False).count() == 1
    assert not Project.objects.get(pk=project.pk).show_once
    answer = stop_storing(client, project, headers=headers)
    assert answer.headers.get("HX-Retarget") == ("#api-keys" if headers else None)
    assert not ApiKey.objects.filter(ciphertext__isnull=False).exists()
    assert Project.objects.get(pk=project.pk).show_once


def test_a_key_that_is_created_meanwhile_keeps_its_secret_until_the_name_is_typed(client, owner, project):
    """The project had no stored secret when the page asked, so no name was typed."""

    def create_after_the_count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if "COUNT(" in sql and '"ciphertext" IS NOT NULL' in sql and not project.api_keys.exists():
            create_key(project=project, name="Meanwhile", by=owner)
        return result

    with connection.execute_wrapper(create_after_the_count):
        answer = client.post(page("show_once", project))
    assert answer.status_code == 422
    assert "Type the name exactly: Acme Weather" in text(answer)
    assert ApiKey.objects.filter(ciphertext__isnull=False).count() == 1
    assert not Project.objects.get(pk=project.pk).show_once


def test_the_section_says_what_holds_now_and_offers_the_other(client, project):
    before = text(client.get(page("settings", project)))
    assert "Key storage: encrypted, can be copied again" in before
    assert "unless the key is marked “Not stored”" in before
    assert "the stored secrets of all existing keys are destroyed" in before
    assert "Stop storing secrets…" in before
    asked = text(client.get(page("show_once", project)))
    assert "No secrets are stored at the moment." in asked
    assert "to confirm" not in asked, "nothing is destroyed"
    client.post(page("show_once", project))
    now = text(client.get(page("settings", project)))
    assert "Key storage: secrets are not stored" in now
    assert "If you lose it, roll the key" in now
    assert "Storing secrets applies to new keys only. All owners are emailed." in now
    assert "Store new secrets" in now
    assert "Stop storing secrets…" not in now


def test_switching_off_holds_for_keys_that_are_created_from_then_on(client, once, owner):
    old = create_key(project=once, name="Old", by=owner).key
    answer = client.post(page("keep_secrets", once), follow=True)
    assert "Secrets of new keys are now stored and can be copied again." in text(answer)
    once.refresh_from_db()
    assert not once.show_once
    new = create_key(project=once, name="New", by=owner)
    assert client.post(action("copy", new.key), headers=FETCH).json() == {"secret": new.secret}
    assert client.post(action("copy", old), headers=FETCH).status_code == 409


def test_each_change_of_the_choice_is_an_event_also_without_a_key_and_none_without_a_change(client, project, owner):
    """T15"""
    for name in ("keep_secrets", "show_once", "show_once", "keep_secrets", "keep_secrets"):
        client.post(page(name, project))
    events = project.audit_events.order_by("pk").values_list("kind", "key", "by", "address")
    assert list(events) == [(kind, None, owner.pk, "127.0.0.1") for kind in ("shown_once", "shown_again")]


def test_a_choice_that_changes_nothing_says_so(client, project):
    said = {
        "keep_secrets": "Nothing changed: secrets of new keys are already stored.",
        "show_once": "Secrets of new keys are no longer stored.",
    }
    for name, words in said.items():
        assert words in text(client.post(page(name, project), follow=True))
    again = text(client.post(page("show_once", project), follow=True))
    assert "Nothing changed: secrets are already not stored." in again
    assert said["show_once"] not in again


def test_activity_says_who_chose_what_from_where(client, project, api_key, owner):
    stop_storing(client, project)
    client.post(page("keep_secrets", project))
    show_secrets_once(project=project, by=None)
    events = re.findall(
        r'class="row-main">(.*?)<span class="muted"><time',
        client.get(page("activity", project)).content.decode(),
        re.DOTALL,
    )
    assert [" ".join(strip_tags(event).split()) for event in events] == [
        "An operator of this server stopped storing secrets",
        f"{owner.email} started storing new secrets from 127.0.0.1",
        f"{owner.email} destroyed the stored secret of {api_key.name} from 127.0.0.1",
        f"{owner.email} stopped storing secrets from 127.0.0.1",
        f"{owner.email} created {api_key.name}",
    ]


def test_admins_see_an_event_that_has_no_key(once, admin, signed_in):
    site = signed_in(admin)
    event = once.audit_events.get()
    assert str(event) == f"Stopped storing secrets: {once.name}"
    for where in ("changelist", "change"):
        args = [event.pk] if where == "change" else []
        assert "Stopped storing secrets" in text(site.get(reverse(f"admin:projects_auditevent_{where}", args=args)))


def test_a_viewer_sees_why_it_cannot_be_switched(viewer, project, api_key, signed_in):
    answer = signed_in(viewer).get(page("settings", project))
    assert "Only owners of the project can change this." in text(answer)
    assert page("show_once", project) not in answer.content.decode()
    assert "If you stop storing secrets" not in text(answer)


def test_a_viewer_is_not_told_to_create_a_key(viewer, once, signed_in):
    answer = text(signed_in(viewer).get(page("settings", once)))
    assert "Key storage: secrets are not stored" in answer
    assert "create a new key" not in answer


def test_help_says_what_stopping_destroys_and_which_deletion_asks_for_a_name(client):
    told = text(client.get(reverse("apikeys:help")))
    assert "This destroys the stored secrets of all existing keys, and cannot be undone." in told
    assert f"If the key was used in the last {RECENTLY.days} days, you have to type its name first." in told


@pytest.mark.parametrize("name", ["show_once", "keep_secrets"])
def test_an_old_session_is_asked_and_comes_back(client, project, api_key, name):
    """T21: an action that destroys secrets does not continue by itself. The person confirms it again."""
    age(client)
    question = client.post(page(name, project))
    assert question.headers["Location"].startswith("/accounts/reauthenticate/?next=")
    project.refresh_from_db()
    assert not project.show_once
    assert ApiKey.objects.filter(ciphertext__isnull=False).count() == 1


# Operators


def test_the_command_prints_the_secret_that_nothing_stores(once):
    output = StringIO()
    call_command("createkey", once.public_id, "--name", "By command", "--json", stdout=output)
    secret = json.loads(output.getvalue())["secret"]
    assert verify(f"Bearer {secret}").identity
    assert not ApiKey.objects.get().can_be_shown


@pytest.mark.django_db
@pytest.mark.slow
def test_the_demo_can_be_switched_and_goes_on_working():
    demo = create_demo()
    project, keys = demo.projects[0]
    by = project.created_by
    show_secrets_once(project=project, by=by)
    key, secret = next((key, secret) for key, secret in keys if key.is_active)
    assert verify(f"Bearer {secret}").identity.key_id == key.public_id
    keep_secrets(project=project, by=by)


CHANGES = {
    "delete": lambda key, owner: delete_key(key=key, by=owner),
    "report": lambda key, owner: report_leak(secret=key.secret) is not None,
    "copy": lambda key, owner: copy_secret(key=key, by=owner) == key.secret,
}


@pytest.mark.skipif(ON_SQLITE, reason="SQLite has one writer at a time")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_switching_on_amid_another_change_of_a_key_is_no_deadlock(transactional_db, project, owner, api_key, change):
    """The other change has locked the project and the key. Switching on waits for the project, and then has both."""
    key_locked = Event()

    def change_key() -> bool:
        with transaction.atomic():
            changed = change(api_key, owner)
            key_locked.set()
            wait_until_someone_waits_for_a_lock()
            return changed

    def switch_on() -> int:
        key_locked.wait(30)
        return show_secrets_once(project=project, by=owner)

    changed, destroyed = in_parallel([change_key, switch_on])
    assert (changed, type(destroyed)) == (True, int)
    assert Project.objects.get(pk=project.pk).show_once
    assert not project.api_keys.filter(ciphertext__isnull=False).exists()


def wait_until_someone_waits_for_a_lock() -> None:
    with connection.cursor() as cursor:
        for _ in range(1000):
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits")
