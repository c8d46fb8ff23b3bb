"""The page of connected accounts."""

import time

import pytest
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from common.outbox import senders
from tests.support.people.accounts import is_signed_in, log_in
from tests.support.people.lying_provider import begin, sign_in
from tests.support.people.sessions import age
from tests.support.places.pages import text

pytestmark = pytest.mark.django_db

PAGE, CONNECT, DISCONNECT = (reverse(f"single_sign_on_{name}") for name in ("connections", "connect", "disconnect"))


@pytest.fixture
def inside(provider, client, person) -> Client:
    log_in(client, person)
    return client


def connect(client, provider, **claims):
    return client.get(provider.come_back(begin(client, CONNECT), **claims), follow=True)


def test_a_person_connects_the_account_and_signs_in_with_it(inside, provider, person):
    assert "Connect Acme to sign in with it." in text(inside.get(PAGE))
    answer = connect(inside, provider, email="work@example.com")
    assert "Your account is connected. You can sign in with Acme now." in text(answer)
    assert "work@example.com, connected on" in text(answer)
    senders.send_due()
    assert mail.outbox[-1].subject == "[Latchkey] Your account was connected with Acme"
    assert mail.outbox[-1].to == [person.email]
    inside.logout()
    sign_in(inside, provider)
    assert inside.session["_auth_user_id"] == str(person.pk)


def test_connecting_asks_for_a_recent_sign_in(inside, provider):
    age(inside)
    answer = inside.post(CONNECT)
    assert answer["Location"].startswith(reverse("account_reauthenticate"))


def test_a_session_that_grew_old_at_the_provider_is_asked_before_the_account_is_connected(inside, provider):
    address = begin(inside, CONNECT)
    age(inside)
    answer = inside.get(provider.come_back(address))
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert not SocialAccount.objects.exists()


def test_a_visit_to_connect_cannot_be_finished_in_another_persons_session(inside, provider, outsider):
    """H4: otherwise an attacker could connect an own account of the provider with the account of a victim."""
    back = provider.come_back(begin(inside, CONNECT))
    inside.logout()
    log_in(inside, outsider, "correct horse battery staple")
    assert is_signed_in(inside)
    assert inside.get(back).status_code == 400
    victim = Client()
    log_in(victim, outsider, "correct horse battery staple")
    assert victim.get(back).status_code == 400
    assert not SocialAccount.objects.exists()


def test_an_account_of_the_provider_opens_one_account_alone(inside, provider, outsider):
    SocialAccount.objects.create(user=outsider, provider=provider.issuer, uid="ada")
    answer = connect(inside, provider)
    assert answer.status_code == 403
    assert "This account of Acme is connected with another account here." in text(answer)
    assert SocialAccount.objects.get().user == outsider


def test_an_account_has_one_account_of_the_provider(inside, provider, person):
    connect(inside, provider)
    answer = connect(inside, provider, subject="second")
    assert answer.status_code == 403
    assert "Disconnect that one first." in text(answer)
    assert SocialAccount.objects.get().uid == "ada"


def test_connecting_twice_is_quiet(inside, provider):
    connect(inside, provider)
    assert connect(inside, provider).status_code == 200
    assert SocialAccount.objects.count() == 1


def test_disconnecting_ends_the_other_sessions_and_is_told_by_email(inside, provider, person):
    connect(inside, provider)
    elsewhere = Client()
    sign_in(elsewhere, provider)
    answer = inside.post(DISCONNECT, {"issuer": provider.issuer}, follow=True)
    assert "The account is disconnected." in text(answer)
    assert elsewhere.get(PAGE).status_code == 302
    senders.send_due()
    assert mail.outbox[-1].subject == "[Latchkey] Your account was disconnected from Acme"
    assert "All your other sessions were signed out." in mail.outbox[-1].body
    other = Client()
    assert sign_in(other, provider, email=person.email).status_code == 403
    assert not is_signed_in(other)


def test_disconnecting_asks_for_a_recent_sign_in(inside, provider):
    connect(inside, provider)
    age(inside)
    assert inside.post(DISCONNECT, {"issuer": provider.issuer})["Location"].startswith("/accounts/reauthenticate/")
    assert SocialAccount.objects.exists()


def test_the_last_way_in_stays(client, provider):
    sign_in(client, provider, auth_time=int(time.time()))
    page = client.get(PAGE)
    assert "Your only way to sign in: set a password to be able to disconnect it." in text(page)
    assert DISCONNECT not in page.content.decode()
    answer = client.post(DISCONNECT, {"issuer": provider.issuer}, follow=True)
    assert "This is your only way to sign in. Set a password first." in text(answer)
    assert SocialAccount.objects.exists()


def test_nobody_disconnects_another_persons_account(inside, provider, outsider):
    SocialAccount.objects.create(user=outsider, provider=provider.issuer, uid="other")
    inside.post(DISCONNECT, {"issuer": provider.issuer})
    assert SocialAccount.objects.get().user == outsider


def test_a_connection_with_a_former_provider_is_shown_and_can_be_removed(inside, provider, person):
    SocialAccount.objects.create(user=person, provider="https://old.example", uid="ada", extra_data={})
    assert "https://old.example Connected on" in text(inside.get(PAGE))
    assert "(no longer in use)" in text(inside.get(PAGE))
    inside.post(DISCONNECT, {"issuer": "https://old.example"})
    assert not SocialAccount.objects.exists()


def test_the_admin_shows_no_secrets_of_single_sign_on_and_makes_no_connections(client, provider, admin, signed_in):
    staff = signed_in(admin)
    for model in ("socialapp", "socialtoken", "socialaccount"):
        assert staff.get(f"/admin/socialaccount/{model}/").status_code == 404
    assert User.objects.count() == 1
