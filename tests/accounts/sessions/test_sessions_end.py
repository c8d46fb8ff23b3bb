"""Sessions end after a change of the password or a second factor, and after inactivity."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.sessions.session_list import sessions_of
from accounts.sessions.store import digest_of
from common.outbox import senders
from tests.support.factories import PASSWORD as OWNERS_PASSWORD
from tests.support.factories import UserFactory
from tests.support.people.accounts import NEW_PASSWORD, PASSWORD, log_in, mailed_code, page_of, totp_code
from tests.support.places.pages import HTMX, page, text
from tests.support.places.routes import NO_ROW

pytestmark = [pytest.mark.django_db, pytest.mark.nodb]

PROJECTS, SESSIONS = "/projects/", reverse("usersessions_list")
START = datetime(2030, 1, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def is_let_in(client: Client) -> bool:
    return bool(client.get(PROJECTS).status_code == 200)


# A second factor or a password changes


@pytest.fixture
def other(inside: Client, person: User) -> Client:
    """A second browser of the same person."""
    client = Client()
    log_in(client, person)
    return client


def give_factors(user: User) -> None:
    """An authenticator app, a passkey and recovery codes."""
    TOTP.activate(user, generate_totp_secret())
    RecoveryCodes.activate(user)
    Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop"})


def turn_on_an_app(client: Client, person: User) -> Any:
    client.get(reverse("mfa_activate_totp"))
    return client.post(reverse("mfa_activate_totp"), {"code": totp_code(client.session["mfa.totp.secret"])})


def turn_the_app_off(client: Client, person: User) -> Any:
    return client.post(reverse("mfa_deactivate_totp"))


def make_new_recovery_codes(client: Client, person: User) -> Any:
    return client.post(reverse("mfa_generate_recovery_codes"))


def remove_a_passkey(client: Client, person: User) -> Any:
    passkey = Authenticator.objects.get(user=person, type=Authenticator.Type.WEBAUTHN)
    return client.post(reverse("mfa_remove_webauthn", args=[passkey.pk]))


def change_the_password(client: Client, person: User) -> Any:
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    return client.post(reverse("account_change_password"), form)


# Adding a passkey needs a browser: tests/browser/test_second_factor.py.
CHANGES: dict[Callable[[Client, User], Any], str] = {
    turn_on_an_app: "An authenticator app was turned on for your account: signing in asks for its code.",
    turn_the_app_off: "The authenticator app of your account was turned off: signing in no longer asks for its code.",
    make_new_recovery_codes: "The old ones no longer work.",
    remove_a_passkey: "A passkey was removed from your account.",
    change_the_password: "The password of your account was changed.",
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", CHANGES)
def test_the_other_sessions_end_and_the_own_one_goes_on(change, inside, other, person, owner):
    """The page and an email tell the person. Sessions of other people continue."""
    if change not in {turn_on_an_app, change_the_password}:
        give_factors(person)
    log_in(stranger := Client(), owner, password=OWNERS_PASSWORD)
    mail.outbox.clear()
    answer = change(inside, person)
    assert "You are signed out everywhere else." in text(inside.get(answer.headers["Location"]))
    assert (is_let_in(other), is_let_in(inside), is_let_in(stranger)) == (False, True, True)
    senders.send_due()
    [email] = mail.outbox
    assert f"{CHANGES[change]} All your other sessions were signed out." in email.body


def test_a_change_that_ended_no_session_speaks_of_none(inside, person):
    """T55: neither the page nor the email mentions ended sessions."""
    answer = change_the_password(inside, person)
    page = text(inside.get(answer.headers["Location"]))
    assert "Password changed." in page
    assert "signed out" not in page
    assert "The password of your account was changed." in mail.outbox[-1].body
    assert "signed out" not in mail.outbox[-1].body


def test_a_password_that_is_reset_by_email_ends_every_session_and_the_email_says_so(inside, person):
    forgetful = Client()
    forgetful.post(reverse("account_reset_password"), {"email": person.email})
    forgetful.post(reverse("account_confirm_password_reset_code"), {"code": mailed_code()})
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    page = text(forgetful.post(reverse("account_complete_password_reset"), form, follow=True))
    assert "Password changed." in page
    assert "signed out everywhere else" not in page
    assert not is_let_in(inside)
    assert "All your other sessions were signed out." in mail.outbox[-1].body


def test_a_reset_password_ends_every_session(inside, person, client):
    person.set_password(NEW_PASSWORD)
    person.save()
    assert not is_let_in(inside)


def test_a_change_that_is_taken_back_ends_no_session(inside, other, person):
    """The sessions end in the transaction that changes the second factor."""
    give_factors(person)
    with transaction.atomic():
        turn_the_app_off(inside, person)
        transaction.set_rollback(True)
    assert is_let_in(other)


def test_using_a_second_factor_and_looking_at_recovery_codes_end_nothing(inside, other, person):
    give_factors(person)
    assert inside.get(reverse("mfa_view_recovery_codes")).status_code == 200
    code = RecoveryCodes(Authenticator.objects.get(user=person, type="recovery_codes")).get_unused_codes()[0]
    log_in(third := Client(), person)
    third.post(reverse("mfa_authenticate"), {"code": code})
    assert is_let_in(third)
    assert is_let_in(other)


def test_an_administrator_who_removes_a_second_factor_ends_that_persons_sessions(admin, inside, person, signed_in):
    give_factors(person)
    site = signed_in(admin)
    app = Authenticator.objects.get(user=person, type=Authenticator.Type.TOTP)
    site.post(reverse("admin:mfa_authenticator_delete", args=[app.pk]), {"post": "yes"})
    assert not Authenticator.objects.filter(pk=app.pk).exists()
    assert (is_let_in(inside), is_let_in(site)) == (False, True)


# Inactivity


@pytest.fixture
def limit(settings) -> timedelta:
    settings.SESSION_IDLE_SECONDS = 3600
    return timedelta(hours=1)


def test_a_session_that_nobody_uses_ends(limit, person, client):
    """The default limit is a day; SESSION_IDLE_SECONDS changes it."""
    with time_machine.travel(START, tick=False) as clock:
        log_in(client, person)
        clock.shift(limit - timedelta(seconds=1))
        assert is_let_in(client)
        clock.shift(limit + timedelta(seconds=1))
        assert not is_let_in(client)
        assert sessions_of(person) == []
        call_command("clearsessions")
        assert not Session.objects.filter(expire_date__lt=timezone.now()).exists()


def test_use_keeps_a_session_alive_until_it_ends_for_good(person, client):
    """After SESSION_COOKIE_AGE (14 days), even a session in constant use needs a new sign-in."""
    limit = timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    with time_machine.travel(START, tick=False) as clock:
        log_in(client, person)
        ends_at = timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)
        visits = 0
        while is_let_in(client) and visits < 1000:
            clock.shift(limit * 5 / 6)
            visits += 1
        assert ends_at <= timezone.now() < ends_at + limit


def test_a_request_writes_its_session_once_in_a_while(limit, person, client):
    with time_machine.travel(START, tick=False) as clock:
        log_in(client, person)
        writes = 0
        for _ in range(60):
            clock.shift(timedelta(minutes=1))
            with CaptureQueriesContext(connection) as asked:
                assert is_let_in(client)
            writes += sum("UPDATE" in query["sql"] and "session" in query["sql"] for query in asked)
        assert writes == 60 / 3, "one write in 2.5 minutes, the 24th part of the limit"


def test_a_page_that_asks_by_itself_keeps_no_session_alive(limit, owner, api_key, signed_in):
    """An open Quick Start page polls for the first call."""
    with time_machine.travel(START, tick=False) as clock:
        client = signed_in(owner)
        for _ in range(2):
            clock.shift(timedelta(minutes=25))
            assert client.get(page("apikeys:first_request", api_key.project, api_key), headers=HTMX).status_code == 204
        clock.shift(timedelta(minutes=25))
        assert not is_let_in(client)


def test_one_session_is_ended_and_the_others_go_on(inside, person):
    clients = [Client() for _ in range(2)]
    for client in clients:
        log_in(client, person)
    address = {row.session_key: reverse("end_session", args=[row.pk]) for row in UserSession.objects.all()}
    one, other = (address[digest_of(client.cookies["sessionid"].value)] for client in clients)
    page = page_of(inside.get(SESSIONS))
    assert one in page
    assert other in page
    assert address[digest_of(inside.cookies["sessionid"].value)] not in page, (
        "the own session has no such button; signing out ends it"
    )
    answer = inside.post(one, follow=True)
    assert "That session was signed out." in page_of(answer)
    assert [client.get(SESSIONS).status_code for client in (*clients, inside)] == [302, 200, 200]
    assert inside.post(one).status_code == 302, "ending an ended session is no error"
    inside.post(address[digest_of(inside.cookies["sessionid"].value)])
    assert inside.get(SESSIONS).status_code == 200, "this way does not end the own session"


def test_nobody_ends_the_session_of_somebody_else(inside, person):
    stranger = Client()
    log_in(stranger, other := UserFactory(password=PASSWORD))
    row = UserSession.objects.get(user=other)
    assert inside.post(reverse("end_session", args=[row.pk])).status_code == 302
    assert stranger.get(SESSIONS).status_code == 200
    assert inside.post(reverse("end_session", args=[NO_ROW])).status_code == 302
