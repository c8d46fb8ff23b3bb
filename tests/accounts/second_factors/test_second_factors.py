"""Second factors: codes of an authenticator app, recovery codes and passkeys."""

import re
from http import HTTPStatus

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.support.people.accounts import is_signed_in, log_in, page_of, totp_code
from tests.support.people.passkeys import add_passkey


def test_a_second_factor_is_asked_for_at_login_and_a_recovery_code_works_once(client, person):
    """T23"""
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    recovery = RecoveryCodes.activate(person)
    response = log_in(client, person)
    assert response["Location"] == reverse("mfa_authenticate")
    assert not is_signed_in(client)

    assert 'id="id_code_error"' in page_of(client.post(reverse("mfa_authenticate"), {"code": "000000"}))
    client.post(reverse("mfa_authenticate"), {"code": totp_code(secret)})
    assert is_signed_in(client)

    code = recovery.get_unused_codes()[0]
    for signed_in in (True, False):
        other = Client()
        log_in(other, person)
        other.post(reverse("mfa_authenticate"), {"code": code})
        assert is_signed_in(other) is signed_in


def test_an_authenticator_app_is_set_up_with_its_own_code(inside, person):
    """T23"""
    page = page_of(inside.get(reverse("mfa_activate_totp")))
    assert '<img class="qr" src="data:image/svg+xml' in page
    secret = re.search(r'id="totp-secret">([A-Z2-7]+)<', page)[1]
    wrong = page_of(inside.post(reverse("mfa_activate_totp"), {"code": "000000"}))
    assert 'id="id_code_error"' in wrong
    assert secret in wrong
    page = page_of(inside.post(reverse("mfa_activate_totp"), {"code": totp_code(secret)}, follow=True))
    assert "10 of 10 left" in page
    assert "sign in with your password and one of these codes" in page
    assert set(Authenticator.objects.values_list("type", flat=True)) == {"totp", "recovery_codes"}


def test_the_page_promises_a_second_factor_only_while_there_is_one(inside, person):
    promise, warning = "nobody can sign in without a second factor", "anyone with your password can sign in"
    off = page_of(inside.get(reverse("mfa_index")))
    assert promise not in off
    assert warning in off
    TOTP.activate(person, generate_totp_secret())
    on = page_of(inside.get(reverse("mfa_index")))
    assert promise in on
    assert warning not in on


def test_second_factors_speak_our_words(inside, settings):
    settings.MFA_ADAPTER = "accounts.adapter.MFAAdapter"
    assert 'value="Passkey"' in page_of(inside.get(reverse("mfa_add_webauthn")))
    assert "This code is wrong" in page_of(inside.post(reverse("mfa_activate_totp"), {"code": "000000"}))
    said = render_to_string("mfa/messages/recovery_codes_generated.txt")
    assert said == "Recovery codes generated.\n", "also said of the first ones"


def test_recovery_codes_can_be_downloaded_by_their_owner_and_are_kept_out_of_caches(inside, person):
    codes = RecoveryCodes.activate(person).get_unused_codes()
    TOTP.activate(person, generate_totp_secret())
    response = inside.get(reverse("mfa_download_recovery_codes"))
    assert page_of(response).split() == codes
    assert response["Content-Disposition"].startswith("attachment")
    assert "no-store" in response["Cache-Control"]
    assert "no-store" in inside.get(reverse("mfa_view_recovery_codes"))["Cache-Control"]


@pytest.mark.parametrize("credential", ['{"id": "a"}', "{}", "[]", "1", '"a"', "null", "{", '{"response": 1}'])
def test_a_passkey_of_the_wrong_shape_is_refused(db, client, credential):
    """T25: strangers can post to this page."""
    response = client.post(reverse("mfa_login_webauthn"), {"credential": credential})
    assert response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    assert not is_signed_in(client)


@pytest.mark.parametrize(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_holds_one_step_longer_than_it_is_shown(steps, accepted, time_machine):
    """T23; RFC 6238, 5.2"""
    time_machine.move_to("2026-03-10 12:00:10+00:00", tick=False)
    secret = totp.generate_totp_secret()
    assert totp.validate_totp_code(secret, totp_code(secret, steps)) == accepted


# A code that is `steps` ahead of its time is tried again after `seconds`. A code is valid for 90 seconds in total.
AGAIN = pytest.mark.parametrize(("steps", "seconds"), [(0, 0), (0, 31), (0, 59), (1, 89)])


def assert_is_used(person, secret, code):
    """The code is rejected although it is still valid; another code that was not used is accepted."""
    assert totp.validate_totp_code(secret, code)
    for client, one, accepted in ((Client(), code, False), (Client(), totp_code(secret, 1), True)):
        log_in(client, person)
        client.post(reverse("mfa_authenticate"), {"code": one})
        assert is_signed_in(client) is accepted


@AGAIN
def test_a_code_that_was_signed_in_with_is_used_for_as_long_as_it_holds(client, person, steps, seconds, time_machine):
    """T23; RFC 6238, 5.2"""
    time_machine.move_to("2026-03-10 12:00:00+00:00", tick=False)
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    code = totp_code(secret, steps)
    log_in(client, person)
    client.post(reverse("mfa_authenticate"), {"code": code})
    assert is_signed_in(client)
    time_machine.shift(seconds)
    assert_is_used(person, secret, code)


@AGAIN
def test_a_code_that_confirmed_somebody_is_used_for_as_long_as_it_holds(inside, person, steps, seconds, time_machine):
    """T23; RFC 6238, 5.2"""
    time_machine.move_to("2026-03-10 12:00:00+00:00", tick=False)
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    code = totp_code(secret, steps)
    assert inside.post(reverse("mfa_reauthenticate"), {"code": code}).status_code == HTTPStatus.FOUND
    time_machine.shift(seconds)
    assert "This code is wrong" in page_of(inside.post(reverse("mfa_reauthenticate"), {"code": code}))
    assert_is_used(person, secret, code)


@AGAIN
def test_the_code_that_set_an_app_up_is_used_for_as_long_as_it_holds(inside, person, steps, seconds, time_machine):
    """T23; RFC 6238, 5.2"""
    time_machine.move_to("2026-03-10 12:00:00+00:00", tick=False)
    inside.get(reverse("mfa_activate_totp"))
    secret = inside.session[totp.SECRET_SESSION_KEY]
    code = totp_code(secret, steps)
    inside.post(reverse("mfa_activate_totp"), {"code": code})
    assert Authenticator.objects.filter(type="totp").exists()
    time_machine.shift(seconds)
    assert_is_used(person, secret, code)


# "Use a passkey" is for people who have one


@pytest.mark.parametrize(("has_app", "has_passkey"), [(True, False), (False, True), (True, True)])
def test_a_page_offers_the_second_factors_that_the_person_has(client, person, has_app, has_passkey):
    if has_app:
        TOTP.activate(person, generate_totp_secret())
    if has_passkey:
        add_passkey(person)
    RecoveryCodes.activate(person)
    assert log_in(client, person)["Location"] == reverse("mfa_authenticate")
    inside = Client()
    inside.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    for page in (page_of(client.get(reverse("mfa_authenticate"))), page_of(inside.get(reverse("mfa_reauthenticate")))):
        assert ("Use a passkey" in page) is has_passkey
        assert ("authenticator app" in page) is has_app
        assert "one of your recovery codes" in page.lower()
    assert (inside.get(reverse("mfa_reauthenticate_webauthn")).status_code == HTTPStatus.OK) is has_passkey


def test_the_sign_in_page_is_the_same_for_everybody(client, person):
    """The page does not know its reader. The options on it must not reveal whether somebody has an account or a
    passkey.
    """
    add_passkey(person)
    pages = {
        re.sub(r'value="[0-9A-Za-z]{64}"', "", page_of(log_in(Client(), User(email=email), "wrong"))).replace(email, "")
        for email in (person.email, "nobody@example.com")
    }
    assert len(pages) == 1
    assert "Sign in with a passkey" in pages.pop()
