"""Sign-up, and addresses that are confirmed by a code in an email."""

import re
from http import HTTPStatus

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.support.people.accounts import (
    CODE,
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


# Sign-up


def test_signing_up_takes_an_address_and_one_password_and_leads_to_the_first_project(client):
    response = client.post(SIGN_UP, {"email": "Ada@Example.com", "password1": PASSWORD}, follow=True)
    assert response.redirect_chain[-1][0] == "/projects/new/"
    assert User.objects.get().email == "ada@example.com"
    assert "Create your first project" in page_of(response)


def test_a_bad_sign_up_keeps_the_address_but_never_the_password(client):
    page = page_of(client.post(SIGN_UP, {"email": "ada@example.com", "password1": "tooshort1"}))
    assert 'value="ada@example.com"' in page
    assert "tooshort1" not in page
    assert 'id="id_password1_error"' in page
    assert re.search(r'<input type="password"[^>]* aria-invalid="true"', page)
    assert "id_password1_error" in re.search(r'<input type="password"[^>]* aria-describedby="([^"]+)"', page)[1]
    assert not User.objects.exists()


def test_the_hint_beside_a_new_password_says_what_the_rule_is(client, settings):
    minimum = next(v for v in settings.AUTH_PASSWORD_VALIDATORS if "MinimumLength" in v["NAME"])["OPTIONS"][
        "min_length"
    ]
    assert f"At least {minimum} characters" in page_of(client.get(SIGN_UP))


def test_sign_up_and_login_keep_the_way_back(client):
    assert 'href="/accounts/signup/?next=/help/"' in page_of(client.get(LOGIN, {"next": "/help/"})).replace("%2F", "/")
    page = page_of(client.get(SIGN_UP, {"next": "/help/"}))
    assert 'name="next" value="/help/"' in page
    assert 'href="/accounts/login/?next=/help/"' in page.replace("%2F", "/")
    response = client.post(SIGN_UP, {"email": "ada@example.com", "password1": PASSWORD, "next": "/help/"})
    assert response["Location"] == "/help/"


def test_the_way_back_never_leads_to_another_host(client, person):
    assert log_in(client, person, next="https://elsewhere.example/")["Location"] == "/"


def test_where_addresses_are_not_confirmed_a_taken_one_is_refused_in_words(client, person):
    """Without email, only the page can tell the owner of the address. An installation that strangers reach confirms by
    code.
    """
    page = page_of(client.post(SIGN_UP, {"email": "ADA@example.com", "password1": NEW_PASSWORD}))
    assert "An account with this email exists" in page
    assert User.objects.count() == 1


# Confirmation by code


@pytest.mark.usefixtures("confirmed_by_code")
def test_signing_up_is_finished_by_the_mailed_code(client):
    response = client.post(SIGN_UP, {"email": "ada@example.com", "password1": PASSWORD})
    assert response["Location"] == CODE
    assert not is_signed_in(client)
    page = page_of(client.get(CODE))
    assert "ada@example.com" in page
    assert 'autocomplete="one-time-code"' in page

    page = page_of(client.post(CODE, {"code": "WRONG1"}))
    assert "This code is wrong" in page
    assert not is_signed_in(client)

    response = client.post(CODE, {"code": mailed_code()}, follow=True)
    assert response.redirect_chain[-1][0] == "/projects/new/"
    assert EmailAddress.objects.get().verified


@pytest.mark.usefixtures("confirmed_by_code")
def test_the_code_can_be_sent_again(client):
    client.post(SIGN_UP, {"email": "ada@example.com", "password1": PASSWORD})
    assert "Send another email" in page_of(client.get(CODE))
    cache.clear()
    client.post(CODE, {"action": "resend"})
    assert len(mail.outbox) == 2
    client.post(CODE, {"code": mailed_code()})
    assert is_signed_in(client)


@pytest.mark.usefixtures("confirmed_by_code")
def test_guessing_the_code_ends_the_sign_up(client):
    client.post(SIGN_UP, {"email": "ada@example.com", "password1": PASSWORD})
    answers = [client.post(CODE, {"code": "WRONG1"}) for _ in range(3)]
    assert answers[-1]["Location"] == LOGIN
    client.post(CODE, {"code": mailed_code()})
    assert not is_signed_in(client)


@pytest.mark.usefixtures("confirmed_by_code")
def test_where_addresses_are_confirmed_sign_up_does_not_reveal_that_one_is_taken(person):
    fresh, taken = Client(), Client()
    answers = [
        client.post(SIGN_UP, {"email": email, "password1": NEW_PASSWORD})
        for client, email in ((fresh, "new1@example.com"), (taken, person.email))
    ]
    assert [(a.status_code, a["Location"]) for a in answers] == [(HTTPStatus.FOUND, CODE)] * 2
    pages = [
        re.sub(r'value="[0-9A-Za-z]{64}"', "", page_of(client.get(CODE))).replace(email, "")
        for client, email in ((fresh, "new1@example.com"), (taken, person.email))
    ]
    assert pages[0] == pages[1]
    assert_true_without_a_code(pages[0])
    assert mail.outbox[-1].subject == "[Latchkey] You already have an account"
    assert log_in(Client(), person).status_code == HTTPStatus.FOUND, "the owner's password is unchanged"


# The address


@pytest.mark.usefixtures("confirmed_by_code")
def test_a_new_address_counts_once_its_code_was_given(inside, person):
    inside.post(reverse("account_email"), {"email": "countess@example.com", "action_add": "1"})
    person.refresh_from_db()
    assert person.email == "ada@example.com"
    page = page_of(inside.get(CODE))
    assert "countess@example.com" in page
    confirmed = inside.post(CODE, {"code": mailed_code_to("countess@example.com")})
    assert confirmed.headers["Location"] == reverse("account_email")
    person.refresh_from_db()
    assert person.email == "countess@example.com"


def mailed_code_to(address):
    message = next(m for m in reversed(mail.outbox) if m.to == [address])
    return re.search(r"^\s*([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})*)\s*$", message.body, re.M)[1]
