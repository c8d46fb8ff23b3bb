"""An account that somebody registered with another person's address, once that person confirms the address."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key
from common.outbox import senders
from projects.permissions import Role
from tests.support.factories import PASSWORD, MembershipFactory, ProjectFactory
from tests.support.people.accounts import NEW_PASSWORD, SIGN_UP, is_signed_in, log_in, mailed_code
from tests.support.people.invitations import ACCEPT, ADDRESS, invited, mailed_link, open_link
from tests.support.places.pages import page, text

pytestmark = pytest.mark.django_db

RESET, CODE = reverse("account_reset_password"), reverse("account_confirm_password_reset_code")
NEW = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}


@pytest.fixture
def thief() -> Client:
    """Signed in to an account with ADDRESS, whose emails another person reads."""
    client = Client()
    client.post(SIGN_UP, {"email": ADDRESS, "password1": PASSWORD})
    User.objects.filter(email=ADDRESS).update(name="Eve")
    return client


@pytest.fixture
def victim(thief) -> User:
    user: User = User.objects.get(email=ADDRESS)
    return user


def add_second_factor(user: User) -> None:
    """The thief's. Written past the signals, which would end the sessions that were there before."""
    Authenticator.objects.bulk_create([Authenticator(user=user, type="totp", data={"secret": ""})])


@pytest.fixture
def keys(victim, owner):
    """A key that works, one that would soon work again, and one of a person who has nothing to do with it."""
    project = ProjectFactory(name="Planted", created_by=victim)
    for user in (victim, owner):
        MembershipFactory(project=project, user=user, role=Role.OWNER)
    working, sleeping = (create_key(project=project, name=name, by=victim).key for name in ("Billing", "Sleeping"))
    pause_key(key=sleeping, by=victim, until=timezone.now() + timedelta(hours=5))
    return working, sleeping, create_key(project=project, name="Honest", by=owner).key


def reset(client: Client) -> str:
    """What the page says after the code of the email."""
    senders.send_due()
    client.post(RESET, {"email": ADDRESS})
    senders.send_due()
    return text(client.post(CODE, {"code": mailed_code()}, follow=True))


def assert_taken_over(thief: Client, victim: User, keys) -> None:
    """Nothing of the thief is left: no way in, no name, and no key that works."""
    victim.refresh_from_db()
    assert EmailAddress.objects.get(user=victim).verified
    assert thief.get("/projects/").status_code == 302
    assert not Authenticator.objects.filter(user=victim).exists()
    assert not victim.check_password(PASSWORD)
    assert victim.name == ""
    for key in keys:
        key.refresh_from_db()
    assert [(key.state, key.resumes_at) for key in keys] == [("paused", None), ("paused", None), ("active", None)]


def test_a_reset_by_email_takes_everything_from_whoever_registered_the_account(
    thief, victim, keys, owner, told, signed_in
):
    """The person reads which keys stopped, and the owners of the projects get an email about it."""
    add_second_factor(victim)
    senders.send_due()
    client = Client()
    client.post(RESET, {"email": ADDRESS})
    senders.send_due()
    code = mailed_code()
    sent = told(client.post, CODE, {"code": code})
    shown = text(client.get(reverse("account_complete_password_reset")))
    assert "So its API keys were paused: Billing in Planted, Sleeping in Planted." in shown
    client.post(reverse("account_complete_password_reset"), NEW)
    assert_taken_over(thief, victim, keys)
    log_in(client, victim, NEW_PASSWORD)
    assert is_signed_in(client), "no code of the thief's second factor is asked for"
    about = {message.to[0]: message for message in sent if message.to[0] in (ADDRESS, owner.email)}
    assert "Key paused: Billing in Planted" in about[ADDRESS].body
    assert "Change: paused Billing in Planted" in about[owner.email].body
    for message in about.values():
        assert "Honest" not in message.body
    activity = text(signed_in(owner).get(page("apikeys:activity", keys[0].project)))
    assert f"{ADDRESS} paused Billing" in activity


def test_a_mailed_invitation_does_the_same(victim, thief, keys, project, owner):
    """The thief has told the person the password."""
    invited(project, owner)
    link = mailed_link()
    client = Client()
    log_in(client, victim, PASSWORD)
    add_second_factor(victim)
    open_link(client, link)
    assert "So its API keys were paused: Billing in Planted" in text(client.post(ACCEPT, follow=True))
    assert_taken_over(thief, victim, keys)


def test_an_invited_person_accepts_after_a_reset_although_the_account_had_a_second_factor(victim, project, owner):
    """The second factor of another person would keep them out for ever."""
    invited(project, owner)
    link = mailed_link()
    add_second_factor(victim)
    client = Client()
    reset(client)
    client.post(reverse("account_complete_password_reset"), NEW)
    open_link(client, link)
    log_in(client, victim, NEW_PASSWORD)
    client.post(ACCEPT)
    assert project.memberships.filter(user=victim).exists()


def test_a_reset_of_a_confirmed_account_stops_nothing(victim, keys):
    EmailAddress.objects.filter(user=victim).update(verified=True)
    add_second_factor(victim)
    reset(Client())
    victim.refresh_from_db()
    keys[0].refresh_from_db()
    assert (victim.name, keys[0].state) == ("Eve", "active")
    assert Authenticator.objects.filter(user=victim).exists()


def test_who_confirms_with_their_own_session_keeps_everything(victim, thief, keys):
    client = Client()
    client.force_login(victim, backend="django.contrib.auth.backends.ModelBackend")
    reset(client)
    assert EmailAddress.objects.get(user=victim).verified
    keys[0].refresh_from_db()
    assert keys[0].state == "active"
