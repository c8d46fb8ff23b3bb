"""Signing in and out, forgotten and changed passwords, and the list of sessions."""

import re
from http import HTTPStatus

import pytest
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.templatetags.account_pages import agent_in_words
from tests.support.factories import UserFactory
from tests.support.people.accounts import (
    LOGIN,
    NEW_PASSWORD,
    PASSWORD,
    SIGN_UP,
    assert_true_without_a_code,
    is_signed_in,
    log_in,
    mailed_code,
    page_of,
)

pytestmark = pytest.mark.django_db


# Login


def test_a_wrong_password_and_an_unknown_address_are_refused_in_the_same_words(client, person):
    wrong = page_of(client.post(LOGIN, {"login": person.email, "password": "not the one at all"}))
    unknown = page_of(client.post(LOGIN, {"login": "eve@example.com", "password": "not the one at all"}))
    for page in (wrong, unknown):
        assert "The email or the password is wrong." in page
        assert "not the one at all" not in page
    assert f'value="{person.email}"' in wrong


def test_the_session_id_changes_at_login(client, person):
    """T20"""
    client.post(SIGN_UP, {"email": "x", "password1": "y"})
    session = client.session
    session["planted"] = True
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = before
    log_in(client, person)
    assert is_signed_in(client)
    assert client.session.session_key != before
    assert not type(session)().exists(before)


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(client, person):
    """T20"""
    cookie = log_in(client, person).cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_signing_out_asks_first(inside):
    assert "Sign out?</h1>" in page_of(inside.get(reverse("account_logout")))
    assert is_signed_in(inside)
    assert inside.post(reverse("account_logout"))["Location"] == LOGIN
    assert not is_signed_in(inside)


# Passwords


def test_a_forgotten_password_is_reset_by_a_mailed_code(client, person):
    reset, confirm = reverse("account_reset_password"), reverse("account_confirm_password_reset_code")
    assert client.post(reset, {"email": person.email})["Location"] == confirm
    assert mail.outbox[-1].subject == "[Latchkey] Your password reset code"
    assert "example.com" not in mail.outbox[-1].body
    code = mailed_code()

    assert "This code is wrong" in page_of(client.post(confirm, {"code": "WRONG1"}))
    complete = client.post(confirm, {"code": code})["Location"]
    assert complete == reverse("account_complete_password_reset")
    page = page_of(client.get(complete))
    assert page.count('autocomplete="new-password"') == 2

    page = page_of(client.post(complete, {"password1": NEW_PASSWORD, "password2": "something else"}))
    assert 'id="id_password2_error"' in page
    assert NEW_PASSWORD not in page
    client.post(complete, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert not is_signed_in(log_in_afresh(person, PASSWORD))
    assert is_signed_in(log_in_afresh(person, NEW_PASSWORD))


def log_in_afresh(user, password):
    client = Client()
    log_in(client, user, password)
    return client


def test_resetting_does_not_reveal_whether_an_address_has_an_account(person):
    gone = UserFactory(email="gone@example.com", is_active=False)
    answers = []
    for email in (person.email, "nobody@example.com", gone.email):
        client = Client()
        first = client.post(reverse("account_reset_password"), {"email": email})
        page = page_of(client.get(first["Location"]))
        answers.append((first["Location"], re.sub(r'value="[0-9A-Za-z]{64}"', "", page).replace(email, "")))
    assert answers[0] == answers[1] == answers[2]
    assert_true_without_a_code(answers[0][1])
    for message in mail.outbox[-2:]:
        assert "No account can be used with it" in message.body
        assert "If your account was deactivated, ask an administrator." in message.body


def test_changing_the_password_asks_for_the_old_one_and_ends_other_sessions(inside, person):
    elsewhere = log_in_afresh(person, PASSWORD)
    change = reverse("account_change_password")
    new = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert "This is not your current password" in page_of(inside.post(change, {"oldpassword": "x", **new}))
    inside.post(change, {"oldpassword": PASSWORD, **new})
    assert inside.get(change).status_code == HTTPStatus.OK
    assert elsewhere.get(change).status_code == HTTPStatus.FOUND
    assert mail.outbox[-1].subject.startswith("[Latchkey] ")


# Sessions


def test_the_session_list_shows_the_clients_own_address_and_agent(client, person, settings):
    settings.TRUSTED_PROXIES = 1
    browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    headers = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7", "User-Agent": browser}
    client.post(LOGIN, {"login": person.email, "password": PASSWORD}, headers=headers)
    page = page_of(client.get(reverse("usersessions_list")))
    assert "203.0.113.7" in page
    assert "198.51.100.9" not in page
    assert ">Firefox on Linux</h3>" in page
    assert "This session" in page


def test_signing_out_everywhere_else_leaves_this_session(inside, person):
    elsewhere = log_in_afresh(person, PASSWORD)
    assert "Sign out everywhere else" in page_of(inside.get(reverse("usersessions_list")))
    inside.post(reverse("usersessions_list"))
    assert elsewhere.get(reverse("account_email")).status_code == HTTPStatus.FOUND
    assert inside.get(reverse("account_email")).status_code == HTTPStatus.OK
    assert UserSession.objects.count() == 1


CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1"


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("header", "words"),
    [
        (CHROME, "Chrome on Windows"),
        (CHROME + " Edg/140.0.0.0", "Edge on Windows"),
        (IPHONE, "Safari on iPhone"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown browser"),
    ],
)
def test_a_browser_is_named_in_words(header, words):
    assert agent_in_words(header) == words
