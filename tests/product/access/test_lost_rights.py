"""Each place where a person loses a right, and everything that must happen there: one table."""

from typing import NamedTuple

import pytest
from allauth.account.models import EmailAddress
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.own_account.deletion import delete_account
from accounts.services import deactivate_account, reactivate_account
from accounts.unconfirmed import confirm_and_clear
from apikeys.hand_over.models import KeyOffer
from apikeys.hand_over.removal import Who, remove_member
from apikeys.hand_over.services import offer, take_over
from apikeys.keys.services import create_key
from apikeys.verify.verification import verify
from projects.audit_log.models import AuditEvent
from projects.invitations.models import Invitation
from projects.members.memberships import change_member
from projects.permissions import Role
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.people.accounts import PASSWORD, log_in
from tests.support.people.emails import OFFICE
from tests.support.people.invitations import invited

pytestmark = pytest.mark.django_db

EMAIL = "leaving@example.com"


class Happens(NamedTuple):
    """What must have happened. `key` is the refusal of a key for which the person is responsible; None: it works."""

    sessions_end: bool
    offers_to_them_end: bool
    key: str | None
    event: str | None
    tells_person: bool
    invites: int  # the answer to an invitation that their open page sends


def remove(user, project, owner):
    remove_member(project=project, user=user, choices={}, who=Who(owner, OFFICE))


def leave(user, project, owner):
    change_member(project=project, user=user, role=None, by=user)


def demote_to_developer(user, project, owner):
    change_member(project=project, user=user, role=Role.DEVELOPER, by=owner)


def demote_to_viewer(user, project, owner):
    change_member(project=project, user=user, role=Role.VIEWER, by=owner)


def deactivate(user, project, owner):
    deactivate_account(user=user, by=owner)


def delete(user, project, owner):
    delete_account(user=user)


def clear(user, project, owner):
    with transaction.atomic():
        confirm_and_clear(User.objects.select_for_update().get(pk=user.pk))


PLACES = {
    remove: Happens(False, True, None, "member_removed", True, 404),
    leave: Happens(False, True, None, "member_left", True, 404),
    demote_to_developer: Happens(False, False, None, "member_changed", True, 403),
    demote_to_viewer: Happens(False, True, None, "member_changed", True, 403),
    deactivate: Happens(True, True, "forbidden", None, True, 302),
    delete: Happens(True, True, None, "member_left", True, 302),
    clear: Happens(True, True, "key_paused", "member_left", True, 302),
}


class Scene(NamedTuple):
    """A person who has everything in a project that can be lost."""

    user: User
    secret: str
    to_them: int
    by_them: int
    invitation: int


@pytest.fixture
def scene(project, owner) -> Scene:
    user = MembershipFactory(project=project, user=UserFactory(email=EMAIL, password=PASSWORD)).user
    EmailAddress.objects.create(user=user, email=EMAIL, verified=True, primary=True)
    colleague = MembershipFactory(project=project, user=UserFactory(), role=Role.DEVELOPER).user
    new = create_key(project=project, name="Theirs", by=user)
    first, second = (create_key(project=project, name=name, by=owner).key for name in ("To them", "By them"))
    offer(key=first, to=user, by=owner)
    offer(key=second, to=colleague, by=user)
    to_them, by_them = (KeyOffer.objects.get(key=key).pk for key in (first, second))
    return Scene(user, new.secret, to_them, by_them, invited(project, user, "friend@example.com").pk)


@pytest.fixture
def site(scene, client) -> Client:
    """The person's browser, whose session is on the list of their sessions."""
    log_in(client, scene.user)
    return client


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_person_who_loses_a_right_loses_what_comes_from_it(place, scene, site, project, owner, told):
    """H5, T49: sessions, offers, invitations, keys, events and emails, in each place where somebody loses a right."""
    must = PLACES[place]
    if place is delete:
        # A key keeps the account from being deleted, so somebody takes it over first.
        take_over(key=scene.user.keys.get(), by=owner)
    newest = AuditEvent.objects.latest("pk").pk
    mails = told(place, scene.user, project, owner)
    page = reverse("projects:invite", args=[project.public_id])
    assert site.post(page, {"emails": "more@example.com", "role": "owner"}).status_code == must.invites
    assert (site.get(reverse("account_profile")).status_code == 302) == must.sessions_end
    assert KeyOffer.objects.filter(pk=scene.to_them).exists() != must.offers_to_them_end
    assert not KeyOffer.objects.filter(pk=scene.by_them).exists()
    assert not Invitation.objects.pending().filter(pk=scene.invitation).exists()
    assert verify(f"Bearer {scene.secret}").code == must.key
    kinds = set(AuditEvent.objects.filter(pk__gt=newest).values_list("kind", flat=True))
    assert {"invitation_revoked", "key_offer_withdrawn"} <= kinds
    assert {kind for kind in kinds if kind.startswith("member_")} == ({must.event} if must.event else set())
    readers = [message.to[0] for message in mails]
    assert readers.count(owner.email) == 1, "each other owner gets one email"
    assert (EMAIL in readers) == must.tells_person
    assert len(readers) == len(set(readers))


@pytest.mark.parametrize("place", [remove, demote_to_viewer, deactivate], ids=lambda place: place.__name__)
def test_a_right_that_comes_back_revives_nothing(place, scene, site, project, owner):
    """An old session, link or offer was given under the right that was lost."""
    place(scene.user, project, owner)
    reactivate_account(user=scene.user, by=owner)
    change_member(project=project, user=scene.user, role=Role.OWNER, by=owner)
    assert not KeyOffer.objects.filter(pk__in=[scene.to_them, scene.by_them]).exists()
    assert not Invitation.objects.pending().exists()
    assert (site.get(reverse("account_profile")).status_code == 302) == PLACES[place].sessions_end
