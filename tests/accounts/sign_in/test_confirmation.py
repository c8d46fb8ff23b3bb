"""T21: the ways to confirm who you are, and the page after the confirmation."""

import json
import re

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys.keys.services import delete_key, report_leak
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from projects.audit_log.models import AuditEvent
from projects.models import Project
from tests.product.access.test_recent_authentication import ASKS, INVITATION, KEY, MEMBER, PROJECT
from tests.support.people.accounts import totp_code
from tests.support.people.confirmation import asks, confirm, reverse_delete
from tests.support.people.sessions import age
from tests.support.places.access import BODIES
from tests.support.places.pages import FETCH, HTMX, action, text
from tests.support.places.routes import all_routes

pytestmark = pytest.mark.nodb


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def settings_of(project: Project) -> str:
    return reverse("apikeys:settings", args=[project.public_id])


# The page after the confirmation


@pytest.mark.parametrize("name", ["copy", "reveal"])
def test_without_script_the_secrets_page_follows_the_confirmation(aged, api_key, name):
    """T21, T31"""
    asked = aged.post(action(name, api_key), REMOTE_ADDR="192.0.2.1")
    shown = confirm(aged, asked.headers["Location"], REMOTE_ADDR="192.0.2.1")
    assert f">{api_key.secret}</textarea>" in shown.content.decode()
    assert "no-store" in shown.headers["Cache-Control"]
    assert api_key.secret not in json.dumps(dict(aged.session))
    event = AuditEvent.objects.latest("pk")
    assert (event.kind, event.address) == ({"copy": "copied", "reveal": "revealed"}[name], "192.0.2.1")
    assert not asks(aged.post(action(name, api_key)))


def test_the_key_and_the_right_are_checked_again_after_the_confirmation(aged, owner, project, api_key):
    """The key may be deleted, or the person may lose the right, between the question and the answer."""
    asked = aged.post(action("copy", api_key)).headers["Location"]
    delete_key(key=api_key, by=owner)
    assert "#api-keys" in confirm(aged, asked).headers["Location"]
    age(aged)
    project.memberships.all().delete()
    assert aged.post(action("copy", api_key)).status_code == 404


def test_a_right_that_is_lost_meanwhile_is_missed_after_the_confirmation(aged, project, api_key):
    asked = aged.post(action("copy", api_key)).headers["Location"]
    project.memberships.all().delete()
    assert confirm(aged, asked).status_code == 404
    assert not AuditEvent.objects.filter(kind="copied").exists()


def test_a_wrong_password_shows_nothing_and_changes_nothing(aged, api_key):
    asked = aged.post(action("copy", api_key)).headers["Location"]
    answer = aged.post(asked, {"password": "wrong"})
    assert "This password is wrong" in answer.content.decode()
    assert api_key.secret not in answer.content.decode()
    assert asks(aged.post(action("copy", api_key)))


@pytest.mark.parametrize("name", ["copy", "reveal"])
def test_a_script_is_told_where_to_confirm_and_comes_back_to_the_keys_row(aged, project, api_key, name):
    """T21"""
    page = f"{settings_of(project)}?state=active&q=Pro"
    answer = aged.post(action(name, api_key), headers=FETCH | {"Referer": f"http://testserver{page}"})
    assert answer.status_code == 401
    back = confirm(aged, answer.json()["login"])
    assert back.headers["Location"] == f"{page}#row-{api_key.public_id}"
    assert aged.post(action(name, api_key), headers=FETCH).json() == {"secret": api_key.secret}


def test_a_delete_in_the_dialog_comes_back_to_the_dialog(aged, project, api_key):
    """T21: the login page is never shown inside a fragment (experience.md 20)."""
    page = f"{settings_of(project)}?page=1"
    answer = aged.post(action("delete", api_key), headers=HTMX | {"Referer": f"http://testserver{page}"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert asks(answer)
    back = confirm(aged, answer.headers["HX-Redirect"])
    assert back.headers["Location"] == f"{page}#open-delete-{api_key.public_id}"
    button = f'form="open-key" formaction="../keys/{api_key.public_id}/delete/"'
    assert button in aged.get(page).content.decode(), "the script presses this button"
    api_key.refresh_from_db()
    assert api_key.is_active


def test_a_delete_of_the_project_in_the_dialog_comes_back_to_the_dialog(aged, project, api_key):
    """T21"""
    page = settings_of(project)
    for ask in (aged.get, aged.post):
        answer = ask(reverse_delete(project), headers=HTMX | {"Referer": f"http://testserver{page}"})
        assert asks(answer)
        back = confirm(aged, answer.headers["HX-Redirect"])
        assert back.headers["Location"] == f"{page}#open-delete-project"
        age(aged)
    shown = aged.get(page).content.decode()
    assert 'id="open-delete-project"' in shown, "the script presses this button"
    assert "confirmation" not in shown, "the form is fetched"


def test_a_deletion_without_script_is_confirmed_again_after_the_question(aged, api_key):
    """T21: the deletion never continues by itself, because the person may have changed their mind. They type the name
    again.
    """
    ApiKey.objects.update(last_used_at=timezone.now())
    asked = aged.post(action("delete", api_key), {"confirmation": "Production server"}).headers["Location"]
    assert confirm(aged, asked).headers["Location"] == action("delete", api_key)
    api_key.refresh_from_db()
    assert api_key.is_active
    assert aged.post(action("delete", api_key), {"confirmation": "wrong"}).status_code == 422
    aged.post(action("delete", api_key), {"confirmation": "Production server"})
    api_key.refresh_from_db()
    assert api_key.state == KeyState.DELETED


def test_a_projects_deletion_is_confirmed_again_after_the_question(aged, project, api_key):
    """T21"""
    path = reverse_delete(project)
    asked = aged.post(path, {"confirmation": project.name}).headers["Location"]
    assert confirm(aged, asked).headers["Location"] == path
    project.refresh_from_db()
    assert project.deleted_at is None
    assert aged.post(path, {"confirmation": "wrong"}).status_code == 422
    aged.post(path, {"confirmation": project.name})
    project.refresh_from_db()
    assert project.deleted_at


def test_a_look_that_was_asked_for_and_forgotten_does_not_follow_another_confirmation(aged, api_key):
    aged.post(action("copy", api_key))
    asked = aged.get(action("delete", api_key)).headers["Location"]
    assert confirm(aged, asked).headers["Location"] == action("delete", api_key)
    assert not AuditEvent.objects.filter(kind="copied").exists()


def test_a_confirmation_leads_nowhere_else(aged, api_key):
    """The page that asks sends the address to return to. Another host is ignored."""
    for referer in ("https://evil.example/x", "http://testserver//evil.example/", "http://[::1"):
        answer = aged.post(action("copy", api_key), headers=FETCH | {"Referer": referer})
        assert confirm(aged, answer.json()["login"]).headers["Location"] == f"/#row-{api_key.public_id}"
        age(aged)


# Actions that were interrupted and are not carried out

NOT_DONE = "Thanks for confirming it's you. Nothing has been done yet: "
# What the page after the confirmation says to do, of each action that the confirmation does not carry out.
AGAIN = {
    PROJECT + "delete/": "press Delete project again",
    KEY + "delete/": "press Delete key again",
    KEY + "roll/": "press Roll key again",
    KEY + "allow-address/": "press Allow again",
    PROJECT + "keys/new/": "press Create key again",
    PROJECT + "show-once/": "press Destroy stored secrets again",
    PROJECT + "keep-secrets/": "press Store new secrets again",
    "notifications/": "choose again, then press Save",
    PROJECT + "mails/": "choose again, then press Save",
    PROJECT + "members/leave/": "press Leave project again",
    MEMBER + "role/": "choose the role again, then press Save",
    MEMBER + "remove/": "press Remove member again",
    PROJECT + "invitations/": "enter the addresses again",
    INVITATION + "resend/": "press Resend again",
    INVITATION + "link/": "press Copy link again",
    KEY + "hand-over/": "press Hand over again",
    KEY + "offer/accept/": "press Accept again",
}
CARRIED_OUT = {KEY + "copy/", KEY + "reveal/"}


@pytest.mark.parametrize("pattern", sorted({pattern for way, pattern in ASKS if way == "POST"} - CARRIED_OUT))
def test_the_page_after_the_confirmation_says_that_the_action_was_not_done(
    aged, project, api_key, viewer, invitation, pattern
):
    """T55: without script."""
    ids = {"project_id": project.public_id, "key_id": api_key.public_id, "user_id": viewer.public_id}
    ids["invitation_id"] = invitation.public_id
    path = next(route for route in all_routes() if route.pattern == pattern).path(**ids)
    asked = aged.post(path, BODIES.get(pattern, {})).headers["Location"]
    page = confirm(aged, asked, follow=True)
    assert f"{NOT_DONE}{AGAIN[pattern]}." in text(page)
    assert NOT_DONE not in text(aged.get(settings_of(project)))  # the page says it only once


@pytest.mark.parametrize("next_page", ["", "dashboard"])
def test_a_reported_key_that_was_not_re_enabled_yet_is_announced(aged, project, api_key, next_page):
    """T52, T55"""
    report_leak(secret=api_key.secret)
    shown = reverse("apikeys:dashboard", args=[project.public_id]) if next_page else settings_of(project)
    sent = {"seen": "reported", "next": next_page}
    asked = aged.post(action("resume", api_key), sent, headers={"Referer": f"http://testserver{shown}"})
    page = confirm(aged, asked.headers["Location"], follow=True)
    assert page.request["PATH_INFO"] == shown
    assert f"{NOT_DONE}press Re-enable again." in text(page)
    assert "Re-enabled Production server" in text(aged.post(action("resume", api_key), sent, follow=True))


@pytest.mark.parametrize(("name", "button"), [("copy", "Copy"), ("reveal", "Reveal")])
def test_a_script_that_read_no_secret_yet_leads_to_a_page_that_says_so(aged, project, api_key, name, button):
    """T55"""
    referer = {"Referer": f"http://testserver{settings_of(project)}"}
    asked = aged.post(action(name, api_key), headers=FETCH | referer).json()["login"]
    assert f"{NOT_DONE}press {button} again." in text(confirm(aged, asked, follow=True))


def test_a_page_that_was_only_asked_for_follows_without_an_announcement(aged, project, api_key):
    """This holds even if an earlier action of the same page was interrupted and given up."""
    aged.post(action("delete", api_key))
    asked = aged.get(action("delete", api_key)).headers["Location"]
    assert NOT_DONE not in text(confirm(aged, asked, follow=True))


def test_an_action_that_was_given_up_is_not_announced_after_another_confirmation(aged, api_key):
    aged.post(action("delete", api_key))
    asked = aged.post(reverse("usersessions_list")).headers["Location"]
    assert NOT_DONE not in text(confirm(aged, asked, follow=True))


# Other ways to confirm


def test_a_code_confirms_too(aged, owner, api_key):
    """T21, T23"""
    secret = generate_totp_secret()
    TOTP.activate(owner, secret)
    asked = aged.post(action("copy", api_key)).headers["Location"]
    page = aged.get(asked).content.decode()
    other = re.search(r'href="(/accounts/2fa/reauthenticate/\?next=[^"]+)"', page)
    assert other
    shown = aged.post(other[1], {"code": totp_code(secret)})
    assert api_key.secret in shown.content.decode()


def test_a_person_without_a_password_is_asked_for_the_second_factor(aged, owner, api_key):
    """T21, T23"""
    TOTP.activate(owner, generate_totp_secret())
    codes = RecoveryCodes.activate(owner).get_unused_codes()
    User.objects.filter(pk=owner.pk).update(password="!")
    client = Client()
    client.force_login(
        owner_again := User.objects.get(pk=owner.pk), backend="django.contrib.auth.backends.ModelBackend"
    )
    assert not owner_again.has_usable_password()
    asked = client.post(action("copy", api_key)).headers["Location"]
    assert asked.startswith("/accounts/2fa/reauthenticate/")
    shown = client.post(asked, {"code": codes[0]})
    assert api_key.secret in shown.content.decode()
