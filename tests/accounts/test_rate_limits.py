"""T22: bursts of logins, codes, sign-ups and emails end in 429 with Retry-After."""

import re
from http import HTTPStatus

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.rate_limits import in_words
from tests.support.factories import UserFactory
from tests.support.people.accounts import CODE, LOGIN, PASSWORD, SIGN_UP, is_signed_in, mailed_code

pytestmark = [pytest.mark.django_db, pytest.mark.nodb]

RESET, RESET_CODE = reverse("account_reset_password"), reverse("account_confirm_password_reset_code")
REAUTHENTICATE, PASSKEY = reverse("account_reauthenticate"), reverse("mfa_login_webauthn")
TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS


def log_in(client, email="ada@example.com", password=PASSWORD, address="192.0.2.1", **headers):
    return client.post(LOGIN, {"login": email, "password": password}, REMOTE_ADDR=address, headers=headers)


def assert_held_up(response, most=60):
    """A 429 in our layout, with a Retry-After of 1 to `most` seconds."""
    assert response.status_code == TOO_MANY
    assert 1 <= int(response["Retry-After"]) <= most
    page = response.content.decode()
    assert '<html lang="en">' in page
    if "one-time-code" not in page or "Too many" in page:
        assert f"Try again in {in_words(int(response['Retry-After']))}." in page, "the words are as true as the header"
    assert "no-store" in response["Cache-Control"]
    return page


def statuses(send, tries):
    """The status of each of this many tries."""
    return [send(number).status_code for number in range(tries)]


# By address


def test_logins_from_one_address(client):
    """T22"""
    answers = [log_in(client, f"p{number}@example.com", "wrong") for number in range(31)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [TOO_MANY] * 21
    assert_held_up(answers[10])
    assert "Too many attempts</h1>" in assert_held_up(answers[-1])
    assert "Try again in" in answers[-1].content.decode()
    assert log_in(client, "p@example.com", "wrong", address="192.0.2.2").status_code == 200


def test_sign_ups_from_one_address(client):
    """T22"""
    answers = [client.post(SIGN_UP, {"email": "x", "password1": "y"}) for _ in range(21)]
    assert answers[-2].status_code == 200
    assert_held_up(answers[-1])


def test_passkeys_from_one_address(client):
    """T22"""
    answers = [client.post(PASSKEY, {"credential": "{}"}) for _ in range(11)]
    assert answers[-2].status_code == HTTPStatus.FOUND
    assert_held_up(answers[-1])


def test_resets_from_one_address_and_for_one_account(client, person):
    """T22: the second limit also bounds the emails that somebody else can cause to an account's owner."""
    answers = [client.post(RESET, {"email": person.email}) for _ in range(6)]
    assert [answer.status_code for answer in answers[:5]] == [HTTPStatus.FOUND] * 5
    assert_held_up(answers[-1])
    assert len(mail.outbox) == 5
    others = [client.post(RESET, {"email": f"p{number}@example.com"}) for number in range(16)]
    assert_held_up(others[-1])


@pytest.mark.usefixtures("confirmed_by_code")
def test_wrong_codes_that_were_mailed(client, person):
    """T22: a code allows three tries, but a new code is easy to get."""

    def guess_at_sign_up(number):
        if number % 3 == 0:
            client.post(SIGN_UP, {"email": f"p{number}@example.com", "password1": PASSWORD})
        return client.post(CODE, {"code": "WRONG1"})

    answers = [guess_at_sign_up(number) for number in range(21)]
    assert TOO_MANY not in [answer.status_code for answer in answers[:20]]
    assert_held_up(answers[-1])
    client.post(RESET, {"email": person.email})
    assert_held_up(client.post(RESET_CODE, {"code": "WRONG1"}))
    assert client.get(CODE).status_code == 200, "opening the page is no try"


@pytest.mark.usefixtures("confirmed_by_code")
def test_a_code_that_is_sent_again_and_again(client):
    """T22"""
    client.post(SIGN_UP, {"email": "ada@example.com", "password1": PASSWORD})
    code = mailed_code()
    page = assert_held_up(client.post(CODE, {"action": "resend"}), 10)
    assert "wait ten seconds and send another email" in " ".join(page.split())
    assert 'name="code"' in page, "the page of the code stays"
    assert len(mail.outbox) == 1
    assert client.post(CODE, {"code": code}).status_code == HTTPStatus.FOUND
    assert is_signed_in(client), "the code that was sent before goes on working"


@pytest.mark.usefixtures("confirmed_by_code")
@pytest.mark.parametrize("has_account", [True, False])
def test_a_sign_up_right_after_an_email_leads_to_the_page_of_the_code(client, has_account, time_machine):
    """T22: the same page for an address that has an account, and for one that has none."""
    time_machine.move_to("2026-03-10 12:00:00+00:00", tick=False)
    form = {"email": "ada@example.com", "password1": PASSWORD}
    client.post(SIGN_UP, form)
    if not has_account:
        User.objects.get().delete()
    other = Client()
    assert other.post(SIGN_UP, form)["Location"] == CODE
    page = " ".join(other.get(CODE).content.decode().split())
    assert "We sent an email to <strong>ada@example.com</strong> a moment ago" in page
    assert "wait ten seconds and send another email" in page
    assert len(mail.outbox) == 1
    time_machine.shift(11)
    assert other.post(CODE, {"action": "resend"}).status_code == HTTPStatus.FOUND
    assert len(mail.outbox) == 2


@pytest.mark.usefixtures("confirmed_by_code")
def test_after_the_last_wrong_code_the_page_names_no_time_that_nobody_has_to_wait(client, person):
    EmailAddress.objects.update(verified=False)
    log_in(client)
    for _ in range(3):
        answer = client.post(CODE, {"code": "WRONG1"}, follow=True)
    page = answer.content.decode()
    assert "Too many wrong codes. Start again to get a new one." in page
    assert log_in(client)["Location"] == CODE


def test_one_limit_among_several_says_how_long_it_lasts(client, time_machine):
    """T22: the header and the words are of the limit that was reached."""
    time_machine.move_to("2026-03-10 12:00:00+00:00", tick=False)
    for number in range(10):
        log_in(client, f"p{number}@example.com", "wrong")
        time_machine.shift(4)
    answer = log_in(client, "p@example.com", "wrong")
    assert answer["Retry-After"] == "21"
    assert "Too many attempts. Try again in 21 seconds." in answer.content.decode()


@pytest.mark.parametrize("name", ["mfa_authenticate", "mfa_reauthenticate"])
def test_wrong_codes_of_a_second_factor(client, person, name):
    """T22: the app's codes and recovery codes are typed into the same field."""
    TOTP.activate(person, generate_totp_secret())
    codes = RecoveryCodes.activate(person).get_unused_codes()
    if name == "mfa_authenticate":
        log_in(client)
    else:
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    assert statuses(lambda number: client.post(reverse(name), {"code": "000000"}), 5) == [200] * 5
    page = assert_held_up(client.post(reverse(name), {"code": codes[0]}), 300)
    assert "Too many attempts" in page
    assert RecoveryCodes.activate(person).get_unused_codes().count(codes[0]) == 1, "a good code was not used up"


def test_wrong_passkeys_when_asked_again(client, person):
    """T22"""
    Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data={})
    log_in(client)
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    path = reverse("mfa_reauthenticate_webauthn")
    assert statuses(lambda number: client.post(path, {"credential": "{}"}), 10) == [HTTPStatus.FOUND] * 10
    assert_held_up(client.post(path, {"credential": "{}"}))


def test_setting_up_an_app_with_wrong_codes(client, person):
    """T22"""
    log_in(client)
    client.post(REAUTHENTICATE, {"password": PASSWORD})
    activate = reverse("mfa_activate_totp")
    assert statuses(lambda number: client.post(activate, {"code": "000000"}), 5) == [200] * 5
    assert_held_up(client.post(activate, {"code": "000000"}), 300)


def test_wrong_passwords_when_asked_again(client, person):
    """T22"""
    log_in(client)
    assert statuses(lambda number: client.post(REAUTHENTICATE, {"password": "wrong"}), 5) == [200] * 5
    assert_held_up(client.post(REAUTHENTICATE, {"password": PASSWORD}), 300)
    for _ in range(4):
        client.post(REAUTHENTICATE, {"password": "wrong"})
    assert "Too many attempts</h1>" in assert_held_up(client.post(REAUTHENTICATE, {"password": "wrong"}))


@pytest.mark.usefixtures("confirmed_by_code")
@pytest.mark.parametrize("name", ["login", "signup", "reset_password"])
def test_a_page_of_allauths_own_says_when_its_limit_ends(client, settings, time_machine, name):
    """T22: the limit of a page is reached 45 seconds before its hour has passed."""
    time_machine.move_to("2026-03-10 12:00:00+00:00", tick=False)
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, name: "1/h/ip"}
    page = {"login": LOGIN, "signup": SIGN_UP, "reset_password": RESET}[name]
    client.post(page, {})
    client.post(page, {"email": "ada@example.com"})
    time_machine.shift(3555)
    answer = client.post(page, {"email": "ada@example.com"})
    assert answer.status_code == TOO_MANY
    assert 40 <= int(answer["Retry-After"]) <= 46


# By account


def test_logins_to_one_account(client, person):
    """T22: this also rejects the right password. The form keeps the typed values except the password."""
    assert statuses(lambda number: log_in(client, password="not the one at all"), 5) == [200] * 5
    answer = log_in(client)
    page = assert_held_up(answer, 300)
    assert int(answer["Retry-After"]) > 60, "the rest of five minutes, not of one minute"
    assert 'value="ada@example.com"' in page
    assert PASSWORD not in page
    assert not is_signed_in(client)


@pytest.mark.parametrize("trick", ["port", "case", "long s", "wide domain"])
def test_one_account_is_one_however_it_is_written(client, trick):
    """T22"""
    UserFactory(email="ssssss@example.com", password=PASSWORD)
    for number in range(5):
        email = "ssssss@example.com".replace("s", {"case": "S", "long s": "ſ"}.get(trick, "s"), number)
        if trick == "wide domain":
            email = email.replace(
                "example"[:number], "".join(chr(ord(letter) + 0xFEE0) for letter in "example"[:number])
            )
        log_in(client, email, "wrong", Host=f"localhost:{8000 + number}" if trick == "port" else "localhost")
    assert log_in(client, "ssssss@example.com", Host="localhost").status_code == TOO_MANY


def test_after_what_retry_after_says_the_login_works(client, person, time_machine):
    """T22"""
    time_machine.move_to("2026-03-10 12:00:00+00:00", tick=False)
    for _ in range(5):
        log_in(client, password="wrong")
        time_machine.shift(20)
    wait = int(log_in(client)["Retry-After"])
    assert 200 <= wait <= 201
    time_machine.shift(wait - 2)
    assert_held_up(log_in(client), 3)
    time_machine.shift(2)
    log_in(client)
    assert is_signed_in(client)


def test_after_what_retry_after_says_at_most_a_code_is_taken(client, person, time_machine):
    """T22: allauth does not say which limit on codes was reached."""
    time_machine.move_to("2026-03-10 12:00:00+00:00", tick=False)
    TOTP.activate(person, generate_totp_secret())
    [code, *_] = RecoveryCodes.activate(person).get_unused_codes()
    log_in(client)
    authenticate = reverse("mfa_authenticate")
    assert statuses(lambda number: client.post(authenticate, {"code": "000000"}), 5) == [200] * 5
    time_machine.shift(int(client.post(authenticate, {"code": code})["Retry-After"]))
    client.post(authenticate, {"code": code})
    assert is_signed_in(client)


def test_two_failures_keep_nobody_out_and_successes_do_not_count(person, settings):
    """T22"""
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login_failed_account": "6/h/key"}
    for _ in range(12):
        client = Client()
        assert log_in(client).status_code == HTTPStatus.FOUND
        assert is_signed_in(client)
    client = Client()
    log_in(client, password="wrong")
    log_in(client, password="wrong")
    log_in(client)
    assert is_signed_in(client)


def test_failing_on_purpose_keeps_the_owner_out_nowhere_else(client, person):
    """T22"""
    for _ in range(8):
        log_in(Client(), password="wrong", address="198.51.100.66")
    log_in(client, address="192.0.2.1")
    assert is_signed_in(client)


def test_from_many_addresses_an_account_is_tried_so_often_an_hour_and_a_reset_ends_that(client, person, settings):
    """T22: NIST SP 800-63B, 5.2.2. The test lowers the limit, because a hundred tries would take too long."""
    assert settings.ACCOUNT_RATE_LIMITS["login_failed_account"] == "100/h/key"
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login_failed_account": "12/h/key"}
    assert statuses(lambda n: log_in(Client(), password="wrong", address=f"198.51.100.{n}"), 12) == [200] * 12
    answer = log_in(client)
    assert_held_up(answer, 3600)
    assert int(answer["Retry-After"]) > 3000
    client.post(RESET, {"email": person.email})
    code = re.search(r"^\s*([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})*)\s*$", mail.outbox[-1].body, re.M)[1]
    complete = client.post(RESET_CODE, {"code": code})["Location"]
    client.post(complete, {"password1": "another calm river 7", "password2": "another calm river 7"})
    owner = Client()
    log_in(owner, password="another calm river 7")
    assert is_signed_in(owner)


def test_the_admins_login_is_the_limited_one(client, admin):
    """T22"""
    admin.set_password(PASSWORD)
    admin.save()
    data = {"username": admin.email, "password": PASSWORD}
    answer = client.post("/admin/login/", data)
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (HTTPStatus.FOUND, LOGIN)
    assert not is_signed_in(client)
