"""A new SECRET_KEY signs nobody out if it is planned. After a leak, the old key opens nothing. docs/security.md says
the same.
"""

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.models import Session
from django.core import signing
from django.test import Client
from django.urls import reverse

from accounts.second_factors import secrets_at_rest
from accounts.sessions.store import SessionStore, data_of, digest_of
from config.environment.local_secrets import new_secret_key
from tests.support.calls.api_client import bearer, secret_of
from tests.support.people.accounts import PASSWORD, is_signed_in, log_in, mailed_code, page_of, totp_code

pytestmark = pytest.mark.nodb

SESSIONS = reverse("usersessions_list")
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def replace_secret_key(settings, *, keep):
    old, settings.SECRET_KEY = settings.SECRET_KEY, new_secret_key()
    settings.SECRET_KEY_FALLBACKS = [old] if keep else []


def cookie_of(client):
    return client.cookies["sessionid"].value


def test_a_session_from_before_goes_on_and_is_sealed_anew(inside, settings):
    replace_secret_key(settings, keep=True)
    assert inside.get(SESSIONS).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert inside.get(SESSIONS).status_code == 200
    assert data_of(Session.objects.get())["_auth_user_id"]


def test_a_session_from_before_stays_on_the_list_and_can_be_ended(inside, person, settings):
    other = Client()
    log_in(other, person)
    replace_secret_key(settings, keep=True)
    for client in (other, inside):
        assert client.get(SESSIONS).status_code == 200
    listed = set(UserSession.objects.values_list("session_key", flat=True))
    assert listed == {digest_of(cookie_of(client)) for client in (inside, other)}
    page = page_of(inside.get(SESSIONS))
    assert (page.count("Signed in "), page.count("This session")) == (2, 1)
    inside.post(SESSIONS)
    assert other.get(SESSIONS).status_code == 302


def test_a_session_of_nobody_is_sealed_anew_when_it_changes(db, settings):
    session = SessionStore()
    session["code"] = "BCDF-GHJK"
    session.save()
    replace_secret_key(settings, keep=True)
    again = SessionStore(session.session_key)
    assert again["code"] == "BCDF-GHJK"
    again["more"] = 1
    again.save()
    settings.SECRET_KEY_FALLBACKS = []
    assert SessionStore(session.session_key)["code"] == "BCDF-GHJK"


def signed_things(user):
    """Things that are signed before the change and read after it: links, reset tokens, cookies with messages."""
    link = EmailConfirmationHMAC(EmailAddress.objects.get(user=user)).key
    token = default_token_generator.make_token(user)
    cookie = signing.get_cookie_signer(salt="x").sign("hello")
    return [
        lambda: bool(EmailConfirmationHMAC.from_key(link)),
        lambda: default_token_generator.check_token(user, token),
        lambda: signing.get_cookie_signer(salt="x").unsign(cookie) == "hello",
    ]


def works(check):
    try:
        return check()
    except signing.BadSignature:
        return False


@pytest.mark.parametrize("keep", [True, False])
def test_earlier_signatures_are_valid_only_with_the_fallback(person, settings, keep):
    EmailAddress.objects.update(verified=False)
    checks = signed_things(person)
    replace_secret_key(settings, keep=keep)
    assert [works(check) for check in checks] == [keep] * 3


def test_a_form_from_before_is_accepted(inside, settings):
    """The CSRF token is in its own cookie."""
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = inside.cookies
    page = page_of(strict.get(reverse("account_email")))
    token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    replace_secret_key(settings, keep=True)
    assert strict.post(SESSIONS, {"csrfmiddlewaretoken": token}).status_code == 302


def test_after_a_leak_the_old_key_opens_nothing_and_nothing_else_is_lost(inside, person, api_key, settings):
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": secrets_at_rest.seal(SEED)})
    stranger = Client()
    stranger.post(reverse("account_reset_password"), {"email": person.email})
    code, stolen = mailed_code(), cookie_of(inside)
    replace_secret_key(settings, keep=False)

    thief = Client()
    thief.cookies["sessionid"] = stolen
    assert thief.get(SESSIONS).status_code == 302
    answer = stranger.post(reverse("account_confirm_password_reset_code"), {"code": code})
    assert answer["Location"] == reverse("account_login"), "the code and the session that asked for it are invalid"

    again = Client()
    assert log_in(again, person, PASSWORD)["Location"] == reverse("mfa_authenticate")
    again.post(reverse("mfa_authenticate"), {"code": totp_code(SEED)})
    assert is_signed_in(again)
    assert again.get("/api/v1/me", headers=bearer(secret_of(api_key))).status_code == 200
