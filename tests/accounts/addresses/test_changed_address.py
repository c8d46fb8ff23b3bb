"""A change of the email address where sign-up needs no confirmation: the old address holds until the new one is
confirmed.
"""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.services import deactivate_account
from tests.support.factories import PASSWORD
from tests.support.people.accounts import CODE, NEW_PASSWORD, SIGN_UP, log_in, mailed_code, page_of

ADDRESSES = reverse("account_email")


@pytest.fixture
def signed_up(db):
    """Signs somebody up without any confirmation, and returns the browser."""

    def sign_up(email):
        client = Client()
        assert client.post(SIGN_UP, {"email": email, "password1": PASSWORD}).status_code == 302
        return client

    return sign_up


def change(client, email):
    return client.post(ADDRESSES, {"email": email, "action_add": "1"})


def addresses(client):
    """The account's address, and its other addresses with whether they are confirmed."""
    user = client.get(ADDRESSES).context["user"]
    return user.email, set(EmailAddress.objects.filter(user=user).values_list("email", "verified"))


def test_an_unconfirmed_address_stays_until_the_new_one_is_confirmed(signed_up):
    client = signed_up("grace@example.com")
    assert change(client, "hopper@example.com").status_code == 302
    assert addresses(client) == ("grace@example.com", {("grace@example.com", False), ("hopper@example.com", False)})
    page = page_of(client.get(ADDRESSES))
    assert "<strong>grace@example.com</strong>" in page
    assert "You are changing to <strong>hopper@example.com</strong>" in page
    link = re.search(r"http://\S+?(/\S+)", mail.outbox[-1].body)[1]
    assert client.post(link).status_code == 302
    assert addresses(client) == ("hopper@example.com", {("hopper@example.com", True)})


def test_a_second_change_replaces_the_first_and_can_be_cancelled(signed_up):
    client = signed_up("grace@example.com")
    change(client, "hoper@example.com")
    change(client, "hopper@example.com")
    assert addresses(client)[1] == {("grace@example.com", False), ("hopper@example.com", False)}
    assert client.post(ADDRESSES, {"email": "hopper@example.com", "action_remove": "1"}).status_code == 302
    assert addresses(client) == ("grace@example.com", {("grace@example.com", False)})
    assert "changing to" not in page_of(client.get(ADDRESSES))


@pytest.mark.parametrize("change_account", ["password", "deactivation"])
def test_a_link_to_a_new_address_ends_with_the_password_and_is_dead_while_deactivated(signed_up, change_account):
    """Whoever asked for the link may have had a session of the owner's for a moment."""
    client = signed_up("grace@example.com")
    change(client, "thief@example.com")
    link = re.search(r"http://\S+?(/\S+)", mail.outbox[-1].body)[1]
    user = User.objects.get()
    if change_account == "password":
        new = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
        assert client.post(reverse("account_change_password"), new).status_code == 302
    else:
        deactivate_account(user=user, by=None)
    assert Client().post(link).status_code in {302, 404}
    user.refresh_from_db()
    assert user.email == "grace@example.com"


def test_two_people_may_change_their_addresses_at_once(signed_up):
    for name in ("grace", "ada"):
        client = signed_up(f"{name}@example.com")
        assert change(client, f"new-{name}@example.com").status_code == 302
        assert addresses(client)[0] == f"{name}@example.com"


def test_an_address_that_somebody_only_typed_gets_no_email_about_a_change(signed_up):
    """Whoever resets the password confirms the account's own address. The waiting one may be a stranger's."""
    client = signed_up("grace@example.com")
    change(client, "innocent@example.com")
    mail.outbox.clear()
    visitor = Client()
    visitor.post(reverse("account_reset_password"), {"email": "grace@example.com"})
    code = re.search(r"^[A-Z0-9]{4,}(-[A-Z0-9]{4,})*$", mail.outbox[-1].body, re.M)[0]
    visitor.post(reverse("account_confirm_password_reset_code"), {"code": code})
    new = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert visitor.post(reverse("account_complete_password_reset"), new).status_code == 302
    assert EmailAddress.objects.get().email == "grace@example.com"
    assert EmailAddress.objects.get().verified
    assert {address for message in mail.outbox for address in message.to} == {"grace@example.com"}
    assert not [message for message in mail.outbox if "was changed from" in message.body]


def test_the_former_address_is_told_of_a_change_and_no_other_is(signed_up):
    client = signed_up("grace@example.com")
    user = User.objects.get()
    EmailAddress.objects.filter(user=user).delete()
    EmailAddress.objects.create(user=user, email="innocent@example.com")
    EmailAddress.objects.create(user=user, email="grace@example.com", primary=True)
    change(client, "hopper@example.com")
    link = re.search(r"http://\S+?(/\S+)", mail.outbox[-1].body)[1]
    EmailAddress.objects.get_or_create(user=user, email="innocent@example.com")
    mail.outbox.clear()
    assert client.post(link).status_code == 302
    assert [message.to for message in mail.outbox] == [["grace@example.com"]]


@pytest.mark.usefixtures("confirmed_by_code")
def test_a_change_that_waits_for_its_code_is_shown_and_can_be_cancelled(client, person):
    """The person may have closed the page of the code."""
    log_in(client, person)
    assert change(client, "hopper@example.com").headers["Location"] == CODE
    page = page_of(client.get(ADDRESSES))
    assert "You are changing to <strong>hopper@example.com</strong>" in page
    assert f'href="{CODE}">Enter the code</a>' in page
    code = mailed_code()
    answer = client.post(CODE, {"action": "cancel"}, follow=True)
    assert "The change of your email was cancelled." in page_of(answer)
    assert "You are changing to" not in page_of(client.get(ADDRESSES))
    client.post(CODE, {"code": code})
    person.refresh_from_db()
    assert person.email == "ada@example.com"
