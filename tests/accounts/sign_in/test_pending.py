"""Sign-ups, sign-ins and resets that wait for a code. Strangers hold nobody up, and a new password ends all of them."""

import pytest
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core.context import request_context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.services import deactivate_account
from tests.support.factories import UserFactory
from tests.support.people.accounts import (
    CODE,
    LOGIN,
    NEW_PASSWORD,
    PASSWORD,
    SIGN_UP,
    is_signed_in,
    log_in,
    mailed_code,
    page_of,
    totp_code,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("confirmed_by_code")]

ADDRESSES = reverse("account_email")
RESET, RESET_CODE = reverse("account_reset_password"), reverse("account_confirm_password_reset_code")
NEW_AFTER_RESET = reverse("account_complete_password_reset")
AUTHENTICATE = reverse("mfa_authenticate")
NEW = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}


@pytest.fixture
def unconfirmed() -> User:
    user: User = UserFactory(email="ada@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, primary=True)
    return user


def sign_up(address: str, client: Client | None = None):
    return (client or Client()).post(SIGN_UP, {"email": address, "password1": PASSWORD})


def reset(client, user) -> None:
    assert client.post(RESET, {"email": user.email}).status_code == 302
    assert client.post(RESET_CODE, {"code": mailed_code()})["Location"] == NEW_AFTER_RESET
    assert client.post(NEW_AFTER_RESET, NEW).status_code == 302


# A reset


def test_after_a_reset_nothing_is_left_of_the_sign_up_before_it(client, person):
    """The address already belonged to the person, as the email for the reset said."""
    assert sign_up(person.email, client)["Location"] == CODE
    reset(client, person)
    assert client.get(LOGIN).status_code == 200
    assert log_in(client, person, NEW_PASSWORD)["Location"] == "/"
    assert is_signed_in(client)


def test_a_strangers_sign_up_ends_with_the_owners_reset(client):
    stranger = Client()
    sign_up("ada@example.com", stranger)
    code = mailed_code()
    reset(client, User.objects.get())
    sent = len(mail.outbox)
    for answer in (stranger.post(CODE, {"action": "resend"}), stranger.post(CODE, {"code": code}), stranger.get(CODE)):
        assert answer["Location"] == LOGIN
    assert "This account was changed in the meantime. Start again." in page_of(stranger.get(LOGIN))
    assert not is_signed_in(stranger)
    assert len(mail.outbox) == sent


def test_a_sign_in_that_waits_for_a_second_factor_ends_with_a_new_password(client, person):
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    thief = Client()
    assert log_in(thief, person)["Location"] == AUTHENTICATE
    person.set_password(NEW_PASSWORD)
    person.save()
    assert thief.post(AUTHENTICATE, {"code": totp_code(secret)})["Location"] == LOGIN
    assert not is_signed_in(thief)
    assert log_in(client, person, NEW_PASSWORD)["Location"] == AUTHENTICATE
    client.post(AUTHENTICATE, {"code": totp_code(secret)})
    assert is_signed_in(client)


@pytest.mark.parametrize("page", [RESET_CODE, NEW_AFTER_RESET])
def test_another_reset_ends_too(client, person, page):
    """Somebody who could read the owner's email for a moment may have the code of another reset."""
    thief = Client()
    thief.post(RESET, {"email": person.email})
    code = mailed_code()
    if page == NEW_AFTER_RESET:
        thief.post(RESET_CODE, {"code": code})
    reset(client, person)
    answer = thief.post(page, {"code": code, "password1": PASSWORD, "password2": PASSWORD})
    assert answer["Location"] in {LOGIN, RESET}
    person.refresh_from_db()
    assert person.check_password(NEW_PASSWORD)


# A change of the account


def change_address(user) -> None:
    owner = Client()
    log_in(owner, user)
    owner.post(ADDRESSES, {"email": "new@example.com", "action_add": "1"})
    assert owner.post(CODE, {"code": mailed_code()}).status_code == 302
    user.refresh_from_db()
    assert user.email == "new@example.com"


def deactivate(user) -> None:
    assert deactivate_account(user=user, by=None)


CHANGES = pytest.mark.parametrize("change", [change_address, deactivate])


@CHANGES
@pytest.mark.parametrize("page", [RESET_CODE, NEW_AFTER_RESET])
def test_a_reset_that_waits_ends_with_the_address_and_with_a_deactivation(person, page, change):
    """The code went to an address, or to an account, that lets nobody in any more."""
    reader = Client()
    reader.post(RESET, {"email": person.email})
    code = mailed_code()
    if page == NEW_AFTER_RESET:
        reader.post(RESET_CODE, {"code": code})
    change(person)
    assert reader.post(page, {"code": code, **NEW})["Location"] in {LOGIN, RESET}
    assert "This account was changed in the meantime. Start again." in page_of(reader.get(LOGIN))
    assert reader.post(NEW_AFTER_RESET, NEW)["Location"] == RESET
    person.refresh_from_db()
    assert person.check_password(PASSWORD)


@CHANGES
def test_a_sign_in_that_waits_ends_with_the_address_and_with_a_deactivation(person, change):
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    reader = Client()
    assert log_in(reader, person)["Location"] == AUTHENTICATE
    Authenticator.objects.all().delete()
    change(person)
    assert reader.post(AUTHENTICATE, {"code": totp_code(secret)})["Location"] == LOGIN
    assert "This account was changed in the meantime. Start again." in page_of(reader.get(LOGIN))


def test_a_change_of_the_address_that_waits_ends_with_another(person):
    other = Client()
    log_in(other, person)
    other.post(ADDRESSES, {"email": "other@example.com", "action_add": "1"})
    code = mailed_code()
    change_address(person)
    assert other.post(CODE, {"code": code})["Location"] == ADDRESSES
    person.refresh_from_db()
    assert person.email == "new@example.com"


def test_an_account_that_changes_while_a_new_password_is_hashed_keeps_its_own(person, rf):
    """The conditional write: a page has checked the account before."""
    stale = User.objects.get(pk=person.pk)
    deactivate(person)
    request = rf.post(NEW_AFTER_RESET)
    SessionMiddleware(lambda request: None).process_request(request)
    MessageMiddleware(lambda request: None).process_request(request)
    with request_context(request), pytest.raises(ImmediateHttpResponse):
        get_adapter(request).set_password(stale, NEW_PASSWORD)
    person.refresh_from_db()
    assert (person.is_active, person.check_password(PASSWORD)) == (False, True)


# Emails with a code


def test_strangers_do_not_use_up_the_email_of_a_persons_own_sign_in(client, unconfirmed):
    sign_up(unconfirmed.email)
    assert mail.outbox[-1].subject == "[Latchkey] You already have an account"
    assert log_in(client, unconfirmed)["Location"] == CODE
    assert len(mail.outbox) == 2
    assert "If it has a code, enter the code here" in page_of(client.get(CODE))
    assert sign_up(unconfirmed.email)["Location"] == CODE
    assert len(mail.outbox) == 2, "a stranger still has to wait for an email"
    client.post(CODE, {"code": mailed_code()})
    assert is_signed_in(client)


def test_a_second_sign_in_leads_to_the_page_for_the_code_and_says_that_an_email_was_just_sent(
    client, unconfirmed, time_machine
):
    time_machine.move_to("2026-03-10 12:00:00+00:00", tick=False)
    log_in(Client(), unconfirmed)
    answer = log_in(client, unconfirmed)
    assert (answer.status_code, answer["Location"]) == (302, CODE)
    assert len(mail.outbox) == 1
    page = page_of(client.get(CODE))
    assert "We sent an email to <strong>ada@example.com</strong> a moment ago" in page
    assert "Check the inbox" not in page
    assert client.post(CODE, {"action": "resend"}).status_code == 429
    time_machine.shift(10)
    sign_up(unconfirmed.email)
    assert client.post(CODE, {"action": "resend"})["Location"] == CODE
    assert "If it has a code, enter the code here" in page_of(client.get(CODE))
    client.post(CODE, {"code": mailed_code()})
    assert is_signed_in(client)


def test_a_new_code_of_a_sign_up_waits_for_strangers_as_for_any_address(client, time_machine):
    """A different wait would reveal whether the address was new."""
    time_machine.move_to("2026-03-10 12:00:00+00:00", tick=False)
    sign_up("ada@example.com", client)
    time_machine.shift(10)
    sign_up("ada@example.com")
    assert client.post(CODE, {"action": "resend"}).status_code == 429


@pytest.mark.parametrize("keep", [True, False])
def test_a_new_secret_key_ends_no_sign_in_while_the_former_one_is_a_fallback(client, unconfirmed, settings, keep):
    """docs/security.md: after a planned change, a sign-in that waits for a code continues."""
    assert log_in(client, unconfirmed)["Location"] == CODE
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another " * 10
    settings.SECRET_KEY_FALLBACKS = [former] if keep else []
    assert client.get(CODE).status_code == (200 if keep else 302)
