"""Accounts over HTTP: sign-up, codes, reset, limits, re-authentication, sessions, and who may see which page."""

import re
import time
from http import HTTPStatus

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from allauth.usersessions.models import UserSession
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.templatetags.account_pages import agent_in_words
from tests.factories import UserFactory
from tests.routes import all_routes

PASSWORD = "a quiet harbour 41"
NEW_PASSWORD = "another calm river 7"
SIGN_UP, LOGIN, CODE = reverse("account_signup"), reverse("account_login"), reverse("account_email_verification_sent")

OPEN = {
    "account_login",
    "account_signup",
    "account_inactive",
    "account_reset_password",
    "account_password_reset_completed",
    "account_email_verification_sent",
    "account_confirm_email",
}
# Open too, but only to somebody in the middle of what they complete; others are led to where it begins.
STAGES = {
    "account_confirm_login_code": LOGIN,
    "account_confirm_password_reset_code": LOGIN,
    "account_complete_password_reset": reverse("account_reset_password"),
    "mfa_authenticate": LOGIN,
    "mfa_login_webauthn": LOGIN,
}
PRIVATE = {
    "account_logout",
    "account_reauthenticate",
    "account_email",
    "account_change_password",
    "account_set_password",
    "mfa_index",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "mfa_reauthenticate_webauthn",
    "mfa_remove_webauthn",
    "mfa_edit_webauthn",
    "usersessions_list",
}


def address_of(name):
    arguments = {"account_confirm_email": ["none"], "mfa_remove_webauthn": [1], "mfa_edit_webauthn": [1]}
    return reverse(name, args=arguments.get(name))


@pytest.fixture(autouse=True)
def fresh_limits(db):
    cache.clear()


@pytest.fixture
def person(db):
    """Has a password and a confirmed address."""
    user = UserFactory(email="ada@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def confirmed_by_code(settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True


def log_in(client, user, password=PASSWORD, **more):
    return client.post(LOGIN, {"login": user.email, "password": password, **more})


@pytest.fixture
def inside(client, person):
    """A client that `person` has just signed in with and may change the account with."""
    assert log_in(client, person).status_code == HTTPStatus.FOUND
    return client


def page_of(response):
    return response.content.decode()


def mailed_code():
    return re.search(r"^\s*([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})*)\s*$", mail.outbox[-1].body, re.M)[1]


def totp_code(secret):
    """What an app shows now, and so holds for half a minute at least."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def is_signed_in(client):
    return "_auth_user_id" in client.session


# Who may see which page


def test_every_account_page_is_known_to_be_open_or_private(settings):
    from django.urls import resolve

    ours = {
        resolve(route.path(pk="1")).url_name
        for route in all_routes()
        if route.is_account and "key>" not in route.pattern
    }
    assert ours | {"account_confirm_email"} == OPEN | set(STAGES) | PRIVATE


@pytest.mark.parametrize("name", sorted(OPEN))
def test_an_open_account_page_answers_a_stranger_in_our_layout(client, name):
    response = client.get(address_of(name))
    assert response.status_code == HTTPStatus.OK
    page = page_of(response)
    assert page.count("<h1") == 1
    assert '<html lang="en">' in page
    assert re.search(r"<title>[^<]+ · Latchkey</title>", page)
    assert response["Cache-Control"].count("no-store") == 1


@pytest.mark.parametrize("name", sorted(STAGES))
def test_a_page_in_the_middle_of_something_leads_a_stranger_to_its_beginning(client, name):
    response = client.get(address_of(name))
    assert (response.status_code, response["Location"]) == (HTTPStatus.FOUND, STAGES[name])


@pytest.mark.parametrize("name", sorted(PRIVATE - {"account_logout"}))
def test_a_private_account_page_leads_a_stranger_to_the_login_and_back(client, name):
    path = address_of(name)
    response = client.get(path)
    assert (response.status_code, response["Location"]) == (HTTPStatus.FOUND, f"{LOGIN}?next={path}")


def test_closed_sign_up_answers_in_our_layout(client, monkeypatch):
    monkeypatch.setattr("accounts.adapter.AccountAdapter.is_open_for_signup", lambda *_: False)
    assert "Sign-up is closed</h1>" in page_of(client.get(SIGN_UP))


def test_the_account_pages_name_the_section_they_belong_to(inside):
    for name in ("account_email", "account_change_password", "mfa_index", "mfa_list_webauthn", "usersessions_list"):
        page = page_of(inside.get(reverse(name)))
        assert '<h1 class="account-title">Account</h1>' in page
        assert page.count('<a href="%s" aria-current="page">' % reverse(name)) == 1  # noqa: UP031


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
    """Without mail there is no other way to tell its owner; an installation that strangers reach confirms by code."""
    page = page_of(client.post(SIGN_UP, {"email": "ADA@example.com", "password1": NEW_PASSWORD}))
    assert "An account with this e-mail address exists" in page
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
    assert "Send a new code" in page_of(client.get(CODE))
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
    assert mail.outbox[-1].subject == "[Latchkey] You have an account already"
    assert log_in(Client(), person).status_code == HTTPStatus.FOUND, "the password is still the owner's"


# Login


def test_a_wrong_password_and_an_unknown_address_are_refused_in_the_same_words(client, person):
    wrong = page_of(client.post(LOGIN, {"login": person.email, "password": "not the one at all"}))
    unknown = page_of(client.post(LOGIN, {"login": "eve@example.com", "password": "not the one at all"}))
    for page in (wrong, unknown):
        assert "The e-mail address or the password is wrong." in page
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


def test_failed_logins_to_one_account_are_limited_even_for_the_right_password(client, person):
    """T22"""
    for _ in range(5):
        log_in(client, person, "not the one at all")
    page = page_of(log_in(client, person))
    assert "Too many attempts" in page
    assert not is_signed_in(client)


def test_a_burst_of_logins_from_one_address_is_answered_429_in_our_layout(client):
    """T22"""
    answers = [client.post(LOGIN, {"login": f"p{n}@example.com", "password": "x"}) for n in range(31)]
    assert answers[-1].status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert "Too many attempts</h1>" in page_of(answers[-1])


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
    answers = []
    for email in (person.email, "nobody@example.com"):
        client = Client()
        first = client.post(reverse("account_reset_password"), {"email": email})
        page = page_of(client.get(first["Location"]))
        answers.append((first["Location"], re.sub(r'value="[0-9A-Za-z]{64}"', "", page).replace(email, "")))
    assert answers[0] == answers[1]


def test_changing_the_password_asks_for_the_old_one_and_ends_other_sessions(inside, person):
    elsewhere = log_in_afresh(person, PASSWORD)
    change = reverse("account_change_password")
    new = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert "This is not your current password" in page_of(inside.post(change, {"oldpassword": "x", **new}))
    inside.post(change, {"oldpassword": PASSWORD, **new})
    assert inside.get(change).status_code == HTTPStatus.OK
    assert elsewhere.get(change).status_code == HTTPStatus.FOUND
    assert mail.outbox[-1].subject.startswith("[Latchkey] ")


# The address


@pytest.mark.usefixtures("confirmed_by_code")
def test_a_new_address_counts_once_its_code_was_given(inside, person):
    inside.post(reverse("account_email"), {"email": "countess@example.com", "action_add": "1"})
    person.refresh_from_db()
    assert person.email == "ada@example.com"
    page = page_of(inside.get(CODE))
    assert "countess@example.com" in page
    inside.post(CODE, {"code": mailed_code_to("countess@example.com")})
    person.refresh_from_db()
    assert person.email == "countess@example.com"


def mailed_code_to(address):
    message = next(m for m in reversed(mail.outbox) if m.to == [address])
    return re.search(r"^\s*([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})*)\s*$", message.body, re.M)[1]


# Second factors


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
    response = inside.post(reverse("mfa_activate_totp"), {"code": totp_code(secret)}, follow=True)
    assert "10 of 10 left" in page_of(response)
    assert set(Authenticator.objects.values_list("type", flat=True)) == {"totp", "recovery_codes"}


def test_second_factors_speak_our_words(inside, settings):
    settings.MFA_ADAPTER = "accounts.adapter.MFAAdapter"
    assert 'value="Passkey"' in page_of(inside.get(reverse("mfa_add_webauthn")))
    assert "This code is wrong" in page_of(inside.post(reverse("mfa_activate_totp"), {"code": "000000"}))


def test_recovery_codes_can_be_downloaded_by_their_owner_and_are_kept_out_of_caches(inside, person):
    codes = RecoveryCodes.activate(person).get_unused_codes()
    TOTP.activate(person, generate_totp_secret())
    response = inside.get(reverse("mfa_download_recovery_codes"))
    assert page_of(response).split() == codes
    assert response["Content-Disposition"].startswith("attachment")
    assert "no-store" in response["Cache-Control"]
    assert "no-store" in inside.get(reverse("mfa_view_recovery_codes"))["Cache-Control"]


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


@pytest.mark.parametrize("credential", ['{"id": "a"}', "{}", "[]", "1", '"a"', "null", "{", '{"response": 1}'])
def test_a_passkey_of_the_wrong_shape_is_refused(db, client, credential):
    """T25; the page is a stranger's to post to."""
    response = client.post(reverse("mfa_login_webauthn"), {"credential": credential})
    assert response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    assert not is_signed_in(client)


def test_counters_of_limits_are_not_pushed_out_by_a_crowd(db):
    """T22; a cache that holds few entries forgets its oldest for whoever tries many addresses."""
    cache.set("limit:victim", 5)
    for number in range(400):
        cache.set(f"limit:made-up-{number}", 1)
    assert cache.get("limit:victim") == 5


@pytest.mark.parametrize(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_holds_one_step_longer_than_it_is_shown(steps, accepted, time_machine):
    """T23; RFC 6238, 5.2"""
    time_machine.move_to("2026-03-10 12:00:10+00:00", tick=False)
    secret = totp.generate_totp_secret()
    code = totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30 + steps))
    assert totp.validate_totp_code(secret, code) == accepted
