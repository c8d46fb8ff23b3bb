"""Creating and deleting keys on the pages, with and without the key ring."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from apikeys.usage import counting
from apikeys.verify.verification import verify
from projects.audit_log.models import AuditEvent
from tests.support.factories import ApiKeyFactory
from tests.support.places.pages import ACTIONS, FETCH, HTMX, action, page, text

GONE = "was deleted in the meantime. Nothing was changed."


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


# Keys


def test_a_proposed_name_is_free(client, project, owner):
    def proposed() -> str:
        found = re.search(r'name="name" value="([^"]+)"', client.get(page("apikeys:create", project)).content.decode())
        return found[1] if found else ""

    assert proposed() == "Default key"
    create_key(project=project, name="default KEY", by=owner)
    assert proposed() == "Key 2"
    create_key(project=project, name="Key 2", by=owner)
    assert proposed() == "Key 3"


def test_deleted_keys_are_found_when_one_key_is_left(client, project, owner, api_key):
    """As after a rotation of keys."""
    settings = page("apikeys:settings", project)
    assert 'id="key-state"' not in client.get(settings).content.decode(), "a filter without choices is not shown"
    delete_key(key=create_key(project=project, name="Before", by=owner).key, by=owner)
    assert 'id="key-state"' in client.get(settings).content.decode()


def test_a_form_that_is_sent_twice_makes_one_key(client, project):
    form = {"name": "Once", "form_token": "a" * 22}
    answers = [client.post(page("apikeys:create", project), form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        ({}, {"name": "Twice"}, "called Once and never expires."),
        ({}, {"end": "30"}, "called Once and never expires."),
        ({"end": "30"}, {"end": "7"}, "called Once and expires on"),
        ({"end": "30"}, {"end": "never"}, "called Once and expires on"),
    ],
)
def test_a_form_that_is_sent_again_with_other_fields_says_what_it_created(client, project, first, then, said):
    form = {"name": "Once", "form_token": "a" * 22}
    for _ in range(2):
        assert client.post(page("apikeys:create", project), form | first).status_code == 302
    answer = client.post(page("apikeys:create", project), form | first | then)
    assert answer.status_code == 422
    assert f"This form was used before: the key that it created is {said}" in text(answer)
    assert "Nothing else was done." in text(answer)
    assert ApiKey.objects.count() == 1


def test_a_taken_name_is_refused_beside_its_field(client, project, api_key):
    answer = client.post(page("apikeys:create", project), {"name": api_key.name.upper()})
    assert answer.status_code == 422
    assert "This project already has a key of that name. Choose another." in text(answer)
    assert f'value="{api_key.name.upper()}"' in answer.content.decode()


def test_a_deleted_keys_name_is_free_again(client, project, api_key, owner):
    delete_key(key=api_key, by=owner)
    assert client.post(page("apikeys:create", project), {"name": api_key.name}).status_code == 302


def test_the_limit_of_keys_is_said_in_words(client, project, api_key, settings):
    settings.MAX_KEYS_PER_PROJECT = 1
    section = client.get(page("apikeys:settings", project))
    assert "1 of 1 key" in text(section)
    assert "This project has reached its limit of 1 key. Delete one to create another." in text(section)
    assert "+ Create Key" not in text(section)
    answer = client.post(page("apikeys:create", project), {"name": "One more"})
    assert answer.status_code == 422
    assert "This project has reached its limit of 1 key. Delete one that is no longer used." in text(answer)
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("name", ACTIONS)
def test_a_key_deleted_while_its_page_was_open(name, client, api_key, owner):
    """Two tabs are open, and the other one deleted the key."""
    delete_key(key=api_key, by=owner)
    events = AuditEvent.objects.count()
    answer = client.post(action(name, api_key), follow=True)
    assert f"Production server {GONE}" in text(answer)
    assert answer.redirect_chain == [(page("apikeys:settings", api_key.project) + "#api-keys", 302)]
    partial = client.post(action(name, api_key), headers=HTMX)
    assert partial.status_code == 200
    assert partial.headers["HX-Retarget"] == "#api-keys"
    assert f"Production server {GONE}" in text(partial)
    if name in {"copy", "reveal"}:
        fetched = client.post(action(name, api_key), headers=FETCH)
        assert fetched.status_code == 410
        assert fetched.json() == {"message": "Production server was deleted in the meantime. Reload the page."}
    api_key.refresh_from_db()
    assert api_key.is_deleted
    assert AuditEvent.objects.count() == events


def test_a_key_in_use_is_deleted_only_with_its_name(client, api_key):
    api_key.last_used_at = timezone.now() - timedelta(days=6)
    api_key.save()
    refused = client.post(action("delete", api_key), {"confirmation": "production server"})
    assert refused.status_code == 422
    assert "Type the name exactly: Production server" in text(refused)
    assert 'value="production server"' in refused.content.decode()
    assert verify(f"Bearer {api_key.secret}").identity
    assert client.post(action("delete", api_key), {"confirmation": "Production server"}).status_code == 302
    assert verify(f"Bearer {api_key.secret}").code == "key_deleted"


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_enter_in_the_form_that_deletes_never_presses_another_button(client, api_key, headers):
    """Enter presses the first button of the field's form. "Pause instead" is in another form."""
    ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=timezone.now())
    shown = client.get(action("delete", api_key), headers=headers).content.decode()
    form = re.search(rf'<form[^>]*id="delete-form-{api_key.public_id}".*?</form>', shown, re.DOTALL)
    assert form
    buttons = re.findall(r"<button[^>]*>[^<]*", form[0])
    submitting = [found for found in buttons if 'type="submit"' in found and " form=" not in found]
    assert [found.rpartition(">")[2] for found in submitting] == ["Delete key"]
    assert f'form="pause-instead-{api_key.public_id}"' in form[0]


def test_the_confirmation_counts_rejected_requests_too(client, api_key, owner):
    pause_key(key=api_key, by=owner)
    counting.record(api_key.pk, "paused", time.time(), None)
    counting.flush()
    said = text(client.get(action("delete", api_key)))
    assert "1 rejected request in the last 24 hours" in said
    assert "No requests in the last 24 hours" not in said


def test_the_confirmation_says_what_deleting_does(client, api_key):
    asked = text(client.get(action("delete", api_key)))
    for words in ("Delete “Production server”?", "Never used.", "rejected at once", "This cannot be undone."):
        assert words in asked
    api_key.last_used_at, api_key.last_used_address = timezone.now() - timedelta(days=20), "192.0.2.7"
    api_key.save()
    assert "Last used 2 weeks ago from 192.0.2.7" in text(client.get(action("delete", api_key)))


@pytest.mark.parametrize("state", [*KeyState])
def test_a_key_of_each_state_is_shown_as_what_it_is(state, client, project):
    now = timezone.now()
    ends: dict[str, Any] = {
        "active": {},
        "paused": {"paused_at": now},
        "ended": {"expires_at": now},
        "deleted": {"deleted_at": now, "ciphertext": None, "ring_key_id": ""},
    }[state]
    key = ApiKeyFactory(project=project, state=state, **ends)
    row = client.get(page("apikeys:settings", project), {"state": key.standing.code}).content.decode()
    toggle = re.search(r'id="switch-key[^>]*>\s*([\w-]+)', row)
    assert (toggle[1] if toggle else None) == {"active": "Pause", "paused": "Re-enable"}.get(state)
    assert ("> Delete\n" in row) is (state != "deleted")
    assert key.mask in row


# Without the key ring


@pytest.fixture
def no_ring(api_key, settings) -> None:
    settings.KEY_RING = ""


def test_without_a_key_ring_verification_goes_on(no_ring, api_key):
    answer = Client().get("/api/v1/verify", headers={"Authorization": f"Bearer {api_key.secret}"})
    assert answer.status_code == 204


@pytest.mark.parametrize("name", ["copy", "reveal"])
def test_without_a_key_ring_a_secret_is_refused_in_words(name, no_ring, client, api_key):
    events = AuditEvent.objects.count()
    answer = client.post(action(name, api_key))
    assert answer.status_code == 503
    assert "The key cannot be decrypted at the moment. Requests using it still work." in text(answer)
    fetched = client.post(action(name, api_key), headers=FETCH)
    assert fetched.status_code == 503
    assert "cannot be decrypted at the moment" in fetched.json()["message"]
    assert AuditEvent.objects.count() == events, "nothing was shown"


def test_without_a_key_ring_creating_is_refused_in_words_and_makes_nothing(no_ring, client, project):
    client.raise_request_exception = False
    for headers in ({}, HTMX):
        answer = client.post(page("apikeys:create", project), {"name": "Second"}, headers=headers)
        assert answer.status_code == 503
        assert "key" in text(answer)
        assert "check in a few seconds, before you send it again" in text(answer)
    assert [key.name for key in ApiKey.objects.all()] == ["Production server"]


def test_without_a_key_ring_pausing_and_deleting_go_on(no_ring, client, api_key):
    for name in ("pause", "resume", "delete"):
        assert client.post(action(name, api_key)).status_code == 302
    assert verify(f"Bearer {api_key.secret}").code == "key_deleted"
