"""T21: what would cost most asks for a recent authentication; everything else goes on in an old session."""

import html
import json
import re
from itertools import product
from typing import Any

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys.models import ApiKey, KeyEvent, KeyState
from apikeys.services import delete_key, pause_key
from projects.models import Project
from tests.factories import PASSWORD
from tests.routes import all_routes
from tests.sessions import age
from tests.tables import everything

HTMX = {"HX-Request": "true"}
FETCH = {"Accept": "application/json"}
CONFIRM = "/accounts/reauthenticate/"
PROJECT = "projects/<project_id:project_id>/"
KEY = PROJECT + "keys/<key_id:key_id>/"

# All that asks, of what we wrote and of the account's pages. Password change asks for the current one itself.
ASKS = {
    ("GET", PROJECT + "delete/"),
    ("POST", PROJECT + "delete/"),
    ("GET", KEY + "delete/"),
    ("POST", KEY + "delete/"),
    ("POST", KEY + "copy/"),
    ("POST", KEY + "reveal/"),
    ("GET", PROJECT + "show-once/"),
    ("POST", PROJECT + "show-once/"),
    ("POST", PROJECT + "keep-secrets/"),
    ("POST", PROJECT + "mails/"),
}
ACCOUNT_ASKS = {
    ("POST", "account_email"),
    ("POST", "usersessions_list"),
    ("GET", "mfa_view_recovery_codes"),
    *product(
        ("GET", "POST"),
        (
            *("mfa_deactivate_totp", "mfa_generate_recovery_codes", "mfa_download_recovery_codes"),
            *("mfa_add_webauthn", "mfa_edit_webauthn", "mfa_remove_webauthn"),
        ),
    ),
}


@pytest.fixture(autouse=True)
def fresh_limits(db):
    cache.clear()


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.fixture
def aged(client) -> Client:
    """The owner's session, some hours later."""
    age(client)
    return client


def action(name: str, key: ApiKey) -> str:
    return reverse(f"apikeys:{name}", args=[key.project.public_id, key.public_id])


def settings_of(project: Project) -> str:
    return reverse("apikeys:settings", args=[project.public_id])


def asks(answer: Any) -> bool:
    """Whether it leads to the confirmation, however it was asked."""
    to = answer.headers.get("Location") or answer.headers.get("HX-Redirect") or ""
    if answer.headers.get("Content-Type") == "application/json":
        to = json.loads(answer.content).get("login", "")
    return bool(re.match(r"/accounts/(reauthenticate|2fa/reauthenticate|2fa/webauthn/reauthenticate)/\?next=", to))


def confirm(client: Client, address: str, **options: Any) -> Any:
    """Gives the password on the page that `address` leads to, as its form does."""
    page = client.get(address).content.decode()
    assert "Confirm that it is you</h1>" in page
    assert 'autocomplete="current-password"' in page
    back_to = re.search(r'<input type="hidden" name="next" value="([^"]*)"', page)
    assert back_to
    return client.post(CONFIRM, {"password": PASSWORD, "next": html.unescape(back_to[1])}, **options)


# Where it is asked, and where not


def test_exactly_what_would_cost_most_asks(aged, project, api_key):
    """T21; pausing, re-enabling and creating must be quick."""
    asking = set()
    for route in all_routes():
        if not route.is_page:
            continue
        path = route.path(project_id=project.public_id, key_id=api_key.public_id)
        asking |= {(way, route.pattern) for way in ("GET", "POST") if asks(getattr(aged, way.lower())(path))}
    assert asking == ASKS


@pytest.mark.parametrize("headers", [{}, FETCH, HTMX], ids=["plain", "fetch", "htmx"])
def test_nothing_is_read_or_changed_before_the_answer(aged, project, api_key, headers):
    """T21"""
    data = {"confirmation": project.name}
    before = everything()
    for path in (*(action(n, api_key) for n in ("copy", "reveal", "delete")), reverse_delete(project)):
        answer = aged.post(path, data, headers=headers)
        assert asks(answer)
        assert api_key.secret not in answer.content.decode()
    assert {name for name, rows in everything().items() if rows != before[name]} <= {"django_session"}


def reverse_delete(project: Project) -> str:
    return reverse("projects:delete", args=[project.public_id])


def test_a_recent_session_is_not_asked(client, api_key):
    for name in ("copy", "reveal", "delete"):
        assert not asks(client.post(action(name, api_key)))
    assert KeyEvent.objects.filter(key=api_key).count() == 4


@pytest.mark.parametrize(("ago", "asked"), [(7100, False), (7300, True)])
def test_a_session_is_recent_for_two_hours(client, api_key, settings, ago, asked):
    """T21: default 2 h; REAUTHENTICATION_SECONDS says otherwise."""
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY][0]["at"] -= ago
    session.save()
    assert asks(client.post(action("copy", api_key))) is asked
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 7200 + (200 if asked else -200)
    assert asks(client.post(action("copy", api_key))) is not asked


def test_strangers_and_viewers_hear_what_they_always_hear(aged, outsider, viewer, project, api_key, signed_in):
    """T16, T21: being asked would tell that there is something to ask for."""
    others = {404: signed_in(outsider), 403: signed_in(viewer)}
    for status, client in others.items():
        age(client)
        for name in ("copy", "reveal", "delete"):
            assert client.post(action(name, api_key), headers=FETCH).status_code == status
        assert client.post(reverse_delete(project)).status_code == status
    never = action("copy", api_key).replace(api_key.public_id, "key_0000000000000000")
    assert aged.post(never).status_code == 404


def test_a_deleted_key_needs_no_confirmation_to_be_deleted(aged, owner, api_key):
    delete_key(key=api_key, by=owner)
    assert "#api-keys" in aged.post(action("delete", api_key)).headers["Location"]


def test_signing_up_counts_as_signing_in(db):
    """P5: the first key is copied without being asked for the password that was just chosen."""
    client = Client()
    client.post("/accounts/signup/", {"email": "new@example.com", "password1": PASSWORD})
    client.post("/projects/new/", {"name": "First"})
    project = Project.objects.get()
    client.post(reverse("apikeys:create", args=[project.public_id]), {"name": "Key"})
    assert client.post(action("copy", ApiKey.objects.get()), headers=FETCH).status_code == 200
    age(client)
    assert asks(client.post(action("copy", ApiKey.objects.get()), headers=FETCH))


def test_signing_in_with_a_password_counts(project, owner, api_key):
    client = Client()
    client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    assert client.post(action("copy", api_key), headers=FETCH).json() == {"secret": api_key.secret}


def test_a_session_without_any_record_is_asked(project, owner, api_key):
    """As Django admin's own sign-in leaves it."""
    client = Client()
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    assert asks(client.post(action("copy", api_key)))


def test_a_code_by_mail_does_not_count(aged, api_key):
    """Who resets a password by mail has shown the mailbox, and signs in with the new password afterwards."""
    session = aged.session
    record = session[AUTHENTICATION_METHODS_SESSION_KEY][0]
    session[AUTHENTICATION_METHODS_SESSION_KEY].append(record | {"method": "password_reset", "at": record["at"] + 7200})
    session.save()
    assert asks(aged.post(action("copy", api_key)))


# What follows the confirmation


@pytest.mark.parametrize("name", ["copy", "reveal"])
def test_without_script_the_secrets_page_follows_the_confirmation(aged, api_key, name):
    """T21, T31"""
    asked = aged.post(action(name, api_key), REMOTE_ADDR="192.0.2.1")
    shown = confirm(aged, asked.headers["Location"], REMOTE_ADDR="192.0.2.1")
    assert f'value="{api_key.secret}"' in shown.content.decode()
    assert "no-store" in shown.headers["Cache-Control"]
    assert api_key.secret not in json.dumps(dict(aged.session))
    event = KeyEvent.objects.latest("pk")
    assert (event.kind, event.address) == ({"copy": "copied", "reveal": "revealed"}[name], "192.0.2.1")
    assert not asks(aged.post(action(name, api_key)))


def test_what_follows_is_judged_anew(aged, owner, project, api_key):
    """Between question and answer the key was deleted, or the person lost the right."""
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
    assert not KeyEvent.objects.filter(kind="copied").exists()


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
    """T21, and never the login page inside a fragment: experience.md 20."""
    page = f"{settings_of(project)}?page=1"
    answer = aged.post(action("delete", api_key), headers=HTMX | {"Referer": f"http://testserver{page}"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert asks(answer)
    back = confirm(aged, answer.headers["HX-Redirect"])
    assert back.headers["Location"] == f"{page}#delete-{api_key.public_id}"
    assert f'<dialog class="dialog" id="delete-{api_key.public_id}"' in aged.get(page).content.decode()
    api_key.refresh_from_db()
    assert api_key.is_active


def test_a_deletion_without_script_is_confirmed_again_after_the_question(aged, api_key):
    """T21: it never goes on by itself, when the person may have thought better of it; and the name is typed."""
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
    assert not KeyEvent.objects.filter(kind="copied").exists()


def test_a_confirmation_leads_nowhere_else(aged, api_key):
    """The page that asks names where to come back to; another host is not followed."""
    for referer in ("https://evil.example/x", "http://testserver//evil.example/", "http://[::1"):
        answer = aged.post(action("copy", api_key), headers=FETCH | {"Referer": referer})
        assert confirm(aged, answer.json()["login"]).headers["Location"] == f"/#row-{api_key.public_id}"
        age(aged)


# Other ways to confirm


def totp_code(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(timezone.now().timestamp()) // 30)))


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


def test_who_has_no_password_is_asked_for_the_second_factor(aged, owner, api_key):
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


# The account


@pytest.fixture
def furnished(owner, aged) -> Client:
    """The aged session of somebody who has every kind of second factor."""
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    TOTP.activate(owner, generate_totp_secret())
    RecoveryCodes.activate(owner)
    Authenticator.objects.create(user=owner, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop"})
    return aged


def account_pages(owner: User) -> dict[str, str]:
    passkey = Authenticator.objects.get(user=owner, type=Authenticator.Type.WEBAUTHN).pk
    names = {name for _, name in ACCOUNT_ASKS} | {"mfa_index", "mfa_list_webauthn", "account_change_password"}
    return {name: reverse(name, args=[passkey] if name in OF_A_PASSKEY else []) for name in names}


OF_A_PASSKEY = {"mfa_edit_webauthn", "mfa_remove_webauthn"}
FIELDS = {"account_email": {"email": "countess@example.com", "action_add": "1"}}


def test_every_change_of_an_account_in_an_aged_session_asks(furnished, owner):
    """T21: e-mail address, second factors, passkeys, recovery codes, ending sessions; to look at the codes, too."""
    asking = set()
    before = everything()
    for name, path in account_pages(owner).items():
        for way in ("get", "post"):
            if asks(getattr(furnished, way)(path, FIELDS.get(name, {}))):
                asking.add((way.upper(), name))
    assert asking == ACCOUNT_ASKS
    assert {name for name, rows in everything().items() if rows != before[name]} <= {"django_session"}


@pytest.mark.parametrize("name", ["mfa_activate_totp", "mfa_add_webauthn", "account_email"])
def test_the_first_factor_and_the_address_ask_too(aged, owner, name):
    """T21"""
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    assert asks(aged.post(reverse(name), FIELDS.get(name, {})))
    if name != "account_email":
        assert asks(aged.get(reverse(name)))


def test_after_the_confirmation_the_change_goes_on(furnished, owner):
    """T21"""
    asked = furnished.post(reverse("account_email"), FIELDS["account_email"]).headers["Location"]
    confirm(furnished, asked)
    assert "countess@example.com" in furnished.get(reverse("account_email")).content.decode()
    age(furnished)
    asked = furnished.get(reverse("mfa_view_recovery_codes")).headers["Location"]
    assert confirm(furnished, asked).headers["Location"] == reverse("mfa_view_recovery_codes")


def test_ending_the_other_sessions_asks_and_then_ends_them(owner):
    """T21"""
    aged, other = Client(), Client()
    for client in (aged, other):
        client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    age(aged)
    asked = aged.post(reverse("usersessions_list")).headers["Location"]
    assert other.get("/projects/").status_code == 200
    confirm(aged, asked)
    assert other.get("/projects/").status_code == 302
    assert aged.get("/projects/").status_code == 200


def test_a_new_password_needs_the_current_one(aged, owner):
    """T21: the form itself asks."""
    path = reverse("account_change_password")
    fields = {"password1": "another calm river 7", "password2": "another calm river 7"}
    for given in ({}, {"oldpassword": "wrong"}):
        assert aged.post(path, fields | given).status_code == 200
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)
    aged.post(path, fields | {"oldpassword": PASSWORD})
    owner.refresh_from_db()
    assert owner.check_password("another calm river 7")


def test_a_first_password_needs_the_passkey(furnished, owner):
    """T21"""
    User.objects.filter(pk=owner.pk).update(password="!")
    client = Client()
    client.force_login(User.objects.get(pk=owner.pk), backend="django.contrib.auth.backends.ModelBackend")
    path = reverse("account_set_password")
    assert asks(client.get(path))
    assert asks(client.post(path, {"password1": "another calm river 7", "password2": "another calm river 7"}))
    # allauth would keep what was sent, in the clear, until it may go on.
    assert "river" not in json.dumps(dict(client.session))


def test_changes_in_the_admin_ask_too(admin, owner, api_key, signed_in):
    """T21: it can give anyone's account a password. Looking, pausing and signing out stay quick."""
    site = signed_in(admin)
    page, keys = f"/admin/accounts/user/{owner.pk}/password/", "/admin/apikeys/apikey/"
    new = {"password1": "another calm river 7", "password2": "another calm river 7", "usable_password": "true"}
    age(site)
    asked = site.post(page, new | {"action": "pause"}, headers={"Referer": f"http://testserver{page}"})
    assert asks(asked)
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)
    assert site.get(page).status_code == 200
    site.post(keys, {"action": "pause", "_selected_action": [api_key.pk]})
    api_key.refresh_from_db()
    assert api_key.is_paused
    assert confirm(site, asked.headers["Location"]).headers["Location"] == page
    site.post(page, new)
    owner.refresh_from_db()
    assert owner.check_password("another calm river 7")
    age(site)
    site.post("/admin/logout/")
    assert site.get("/admin/").status_code == 302


def test_right_after_signing_in_the_account_asks_nothing(client, owner):
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    for name in ("mfa_activate_totp", "mfa_add_webauthn", "account_email", "usersessions_list"):
        assert client.get(reverse(name)).status_code == 200
    assert not asks(client.post(reverse("account_email"), FIELDS["account_email"]))


def test_pausing_in_an_old_session_is_quick(aged, owner, api_key):
    """For the emergency; and Undo."""
    assert "#api-keys" in aged.post(action("pause", api_key)).headers["Location"]
    api_key.refresh_from_db()
    assert api_key.is_paused
    assert "#api-keys" in aged.post(action("resume", api_key)).headers["Location"]
    pause_key(key=api_key, by=owner)
