"""The first sign-in of a person, until their address is confirmed and they are in."""

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.sign_up.first_password import prepare_account
from common.outbox import senders
from tests.support.people.accounts import is_signed_in, mailed_code
from tests.support.people.lying_provider import begin, sign_in
from tests.support.places.pages import text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("confirmed_by_code")]

CODE = reverse("account_email_verification_sent")
WRONG, RIGHT = "typo@example.com", "right@example.com"


def enter_code(client):
    senders.send_due()
    return client.post(CODE, {"code": mailed_code()}, follow=True)


def assert_is_in(client, email: str) -> None:
    assert client.get("/projects/").status_code == 200
    assert is_signed_in(client)
    assert client.session["_auth_user_id"] == str(User.objects.get(email=email).pk)


def test_a_prepared_account_is_open_after_the_code_and_keeps_the_name_that_the_operator_gave(
    client, provider, settings
):
    settings.SIGN_IN = ["oidc"]
    prepare_account(email=RIGHT, name="Ann Miller")
    sign_in(client, provider, email=RIGHT)
    answer = enter_code(client)
    assert answer.redirect_chain
    assert reverse("account_login") not in str(answer.redirect_chain)
    assert_is_in(client, RIGHT)
    assert User.objects.get().name == "Ann Miller"


def test_a_trusted_address_keeps_the_name_that_the_operator_gave(client, trusted):
    prepare_account(email=RIGHT, name="Ann Miller")
    sign_in(client, trusted, email=RIGHT)
    assert_is_in(client, RIGHT)
    assert User.objects.get().name == "Ann Miller"


def test_an_account_with_somebody_elses_password_is_open_to_its_owner_after_the_code(client, provider, person):
    EmailAddress.objects.update(verified=False)
    sign_in(client, provider, email=person.email)
    enter_code(client)
    assert_is_in(client, person.email)


def test_the_code_goes_to_the_providers_newer_address(client, provider):
    """The address was wrong at the first visit. Nobody read the code."""
    sign_in(client, provider, email=WRONG, email_verified=False)
    other = Client()
    assert sign_in(other, provider, email=RIGHT, email_verified=False)["Location"] == CODE
    senders.send_due()
    assert mail.outbox[-1].to == [RIGHT]
    enter_code(other)
    assert_is_in(other, RIGHT)
    assert (User.objects.count(), SocialAccount.objects.count()) == (1, 1)
    assert list(EmailAddress.objects.values_list("email", "verified")) == [(RIGHT, True)]
    client.post(CODE, {"code": "AAAA-AAAA"})
    assert not is_signed_in(client)


def test_the_providers_newer_address_counts_if_it_is_trusted(client, trusted):
    sign_in(client, trusted, email=WRONG, email_verified=False)
    assert sign_in(Client(), trusted, email=WRONG, email_verified=False)["Location"] == CODE
    sign_in(client, trusted, email=RIGHT)
    assert_is_in(client, RIGHT)
    assert EmailAddress.objects.get().verified


def test_the_same_address_counts_once_the_trusted_provider_has_verified_it(client, trusted):
    sign_in(client, trusted, email=RIGHT, email_verified=False)
    sign_in(client, trusted, email=RIGHT)
    assert_is_in(client, RIGHT)


def test_the_newer_address_may_be_that_of_another_account_that_waits_for_its_owner(client, provider):
    user, _ = prepare_account(email=RIGHT)
    sign_in(client, provider, email=WRONG, email_verified=False)
    sign_in(client, provider, email=RIGHT, email_verified=False)
    enter_code(client)
    assert_is_in(client, RIGHT)
    assert SocialAccount.objects.get().user == user


def test_the_newer_address_opens_no_account_that_is_used(client, provider, person):
    sign_in(client, provider, email=WRONG, email_verified=False)
    assert sign_in(client, provider, email=person.email).status_code == 403
    assert not is_signed_in(client)


def test_the_newer_address_has_to_be_one_that_may_sign_up(client, provider, settings):
    sign_in(client, provider, email=WRONG, email_verified=False)
    settings.SIGN_UP_DOMAINS = ["example.com"]
    answer = sign_in(client, provider, email="ada@elsewhere.test")
    assert answer.status_code == 403
    assert "Use an address of example.com." in text(answer)
    assert User.objects.get().email == WRONG


def test_a_confirmed_address_is_changed_by_its_owner_alone(client, trusted):
    sign_in(client, trusted, email=RIGHT)
    client.logout()
    sign_in(client, trusted, email=WRONG)
    assert_is_in(client, RIGHT)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        ("server_error", 503, "Acme cannot be used right now. Try again in a minute."),
        ("temporarily_unavailable", 503, "Acme cannot be used right now. Try again in a minute."),
        ("login_required", 403, "Acme did not sign you in. Try again."),
        ("interaction_required", 403, "Acme did not sign you in. Try again."),
        ("made<up>", 403, "Acme did not sign you in. Try again."),
        ("access_denied", 200, "You left Acme before it was done."),
    ],
)
def test_an_error_of_the_provider_is_told_apart_from_an_answer_that_proves_nothing(
    client, provider, error, status, words
):
    state = begin(client).partition("state=")[2].partition("&")[0]
    answer = client.get(reverse("single_sign_on_callback"), {"error": error, "state": state})
    assert answer.status_code == status
    assert words in text(answer)
    assert "did not prove who you are" not in text(answer)
