"""SIGN_IN: with `oidc` alone there are no pages for passwords; superusers keep one at /admin/."""

import re

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.support.factories import PASSWORD
from tests.support.people import sessions
from tests.support.people.accounts import is_signed_in, log_in, totp_code
from tests.support.people.lying_provider import begin, sign_in
from tests.support.people.sessions import age
from tests.support.places.pages import text
from tests.support.places.routes import all_routes

pytestmark = pytest.mark.django_db

ADMIN_LOGIN = "/admin/login/?next=/admin/"


@pytest.fixture
def only_provider(provider, settings):
    settings.SIGN_IN = ["oidc"]
    settings.MFA_PASSKEY_LOGIN_ENABLED = False
    return provider


OF_PASSWORDS_ALONE = r"password|signup|login/code|^accounts/reauthenticate|2fa/webauthn/login"
OF_PASSWORDS = [
    route.path(uidb36="x", key="y")
    for route in all_routes()
    if route.is_account and re.search(OF_PASSWORDS_ALONE, route.pattern)
]


def test_there_are_pages_of_passwords():
    assert len(OF_PASSWORDS) >= 9, OF_PASSWORDS


def test_with_single_sign_on_alone_no_page_of_passwords_exists(client, only_provider):
    signed_in = Client()
    sign_in(signed_in, only_provider)
    for path in (*OF_PASSWORDS, "/.well-known/change-password"):
        for visitor in (client, signed_in):
            assert visitor.get(path).status_code == 404, path
            assert visitor.post(path, {}).status_code == 404, path


def test_the_sign_in_page_has_the_providers_button_alone(client, only_provider, person):
    page = client.get(reverse("account_login"))
    assert "Continue with Acme" in text(page)
    assert "password" not in text(page).lower()
    assert "Create one" not in text(page)
    assert client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD}).status_code == 404
    assert not is_signed_in(client)


def test_the_account_has_no_section_for_passwords(client, only_provider):
    sign_in(client, only_provider)
    page = text(client.get(reverse("single_sign_on_connections")))
    assert "Connected accounts" in page
    assert "Password" not in page
    assert "Your only way to sign in." in page


def test_a_superuser_keeps_a_password_in_the_admin(client, only_provider, admin):
    assert "Sign in as an administrator" in text(client.get(ADMIN_LOGIN))
    answer = client.post(ADMIN_LOGIN, {"login": admin.email, "password": PASSWORD, "next": "/admin/"})
    assert answer["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    age(client)
    assert client.get(reverse("account_reauthenticate")).status_code == 200, "a superuser confirms with the password"


def test_a_superusers_second_factor_is_asked_for(client, only_provider, admin):
    secret = generate_totp_secret()
    TOTP.activate(admin, secret)
    answer = client.post(ADMIN_LOGIN, {"login": admin.email, "password": PASSWORD, "next": "/admin/"})
    assert answer["Location"] == reverse("mfa_authenticate")
    assert client.post(reverse("mfa_authenticate"), {"code": totp_code(secret)})["Location"] == "/admin/"


def test_the_admin_and_the_page_of_an_outage_lead_superusers_to_their_sign_in(client, only_provider):
    assert client.get("/admin/")["Location"] == ADMIN_LOGIN
    assert client.get("/admin/accounts/user/")["Location"] == "/admin/login/?next=/admin/accounts/user/"
    assert client.get("/projects/")["Location"].startswith(reverse("account_login"))
    only_provider.answers["/.well-known/openid-configuration"] = {}
    answer = client.post(reverse("single_sign_on"))
    assert answer.status_code == 503
    assert f'<a href="{reverse("admin:login")}">Sign in as an administrator</a>' in answer.content.decode()


def test_staff_sign_in_there_and_may_set_their_first_password(client, only_provider, outsider):
    User.objects.filter(pk=outsider.pk).update(is_staff=True)
    client.post(ADMIN_LOGIN, {"login": outsider.email, "password": PASSWORD})
    assert is_signed_in(client)
    outsider.refresh_from_db()
    outsider.set_unusable_password()
    outsider.save()
    sessions.log_in(client, outsider)
    assert client.get(reverse("account_set_password")).status_code == 200


def test_an_administrator_connects_and_disconnects_the_account(client, only_provider, admin):
    sessions.log_in(client, admin)
    client.get(only_provider.come_back(begin(client, reverse("single_sign_on_connect"))))
    assert SocialAccount.objects.get().user == admin
    other = Client()
    sign_in(other, only_provider)
    assert other.get("/admin/").status_code == 200, "a connected account is opened by the provider"
    client.post(reverse("single_sign_on_disconnect"), {"issuer": only_provider.issuer})
    assert not SocialAccount.objects.exists(), "the password stays a way in"


def test_nobody_else_signs_in_there(client, only_provider, outsider):
    answer = client.post(ADMIN_LOGIN, {"login": outsider.email, "password": PASSWORD})
    assert "The email or the password is wrong." in text(answer)
    assert not is_signed_in(client)


def test_a_person_with_an_old_password_confirms_at_the_provider(client, only_provider, person):
    SocialAccount.objects.create(user=person, provider=only_provider.issuer, uid="ada")
    sign_in(client, only_provider)
    answer = client.get(reverse("mfa_activate_totp"))
    assert answer["Location"].startswith(reverse("single_sign_on_confirm"))


def test_an_account_that_is_not_connected_is_told_whom_to_ask(client, only_provider, person):
    answer = sign_in(client, only_provider, email=person.email)
    assert answer.status_code == 403
    assert "Ask an administrator." in text(answer)
    assert "password" not in text(answer).lower()


def test_with_passwords_alone_nothing_speaks_of_the_provider(client, person):
    log_in(client, person)
    assert "Connected accounts" not in text(client.get(reverse("account_email")))
    assert client.get(reverse("single_sign_on_connections")).status_code == 404
    assert Client().get("/admin/login/").status_code == 302
