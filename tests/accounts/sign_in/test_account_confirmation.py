"""T21: changes of an account and changes in the admin ask for a recent authentication."""

import json
from itertools import product

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.support.factories import PASSWORD
from tests.support.people.confirmation import asks, confirm
from tests.support.people.sessions import age
from tests.support.places.pages import text
from tests.support.stored.tables import everything

pytestmark = pytest.mark.nodb


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


# All account pages that ask. The page for the password is not here, because its form asks for the current password.
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


@pytest.fixture
def furnished(owner, aged) -> Client:
    """The old session of a person who has every kind of second factor."""
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
    """T21: email address, second factors, passkeys, recovery codes, ending sessions, and showing recovery codes."""
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
    """T21: the form asks for the current password."""
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
    # allauth would store the submitted password in plain text until the confirmation.
    assert "river" not in json.dumps(dict(client.session))
    code = RecoveryCodes(Authenticator.objects.get(user=owner, type="recovery_codes")).get_unused_codes()[0]
    page = client.post(f"{reverse('mfa_reauthenticate')}?next={path}", {"code": code}, follow=True)
    assert "Nothing has been done yet: enter the new password again." in text(page)


def test_changes_in_the_admin_ask_too(admin, owner, api_key, signed_in):
    """T21: the admin can set any account's password. Viewing, pausing and signing out do not ask."""
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
