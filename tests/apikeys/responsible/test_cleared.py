"""Somebody registered an address in advance, and used the account. Then the person who reads its emails confirms it."""

import pytest
from allauth.account.models import EmailAddress
from django.db import transaction

from accounts.models import User
from accounts.signals import closing_begun
from accounts.unconfirmed import confirm_and_clear
from apikeys.hand_over import services as hand_over
from apikeys.keys.pausing import resume_key
from apikeys.keys.services import create_key
from apikeys.lifetimes.ends import change_end, end_key
from apikeys.models import ApiKey
from projects.invitations.services import invite
from projects.locks import NoLongerAllowed
from projects.models import Membership, Project
from projects.permissions import Role
from tests.support.factories import MembershipFactory, ProjectFactory

VICTIM = "victim@example.com"


@pytest.fixture
def victim(db):
    user = User.objects.create_user(VICTIM)
    EmailAddress.objects.create(user=user, email=VICTIM, verified=False, primary=True)
    return user


@pytest.fixture
def shared(project, owner, victim):
    """A project of `owner`, in which whoever registered the address in advance is an owner, too."""
    MembershipFactory(project=project, user=victim, role=Role.OWNER)
    return project


def clear(user):
    with transaction.atomic():
        closing_begun.send(sender=User, user=user)
        return confirm_and_clear(user)


def test_nobody_can_make_a_key_work_in_the_name_of_the_person(shared, owner, victim):
    key = create_key(project=shared, name="Planted", by=victim).key
    ended = create_key(project=shared, name="Ended", by=victim).key
    end_key(key=ended, by=victim)
    assert clear(victim) == ["Planted in Acme Weather", "Ended in Acme Weather"]
    resume_key(key=key, by=owner)
    change_end(key=ended, expires_at=None, by=owner, may_revive=True)
    for each in (key, ended):
        each = ApiKey.objects.get(pk=each.pk)
        assert not each.standing.lets_in
        assert each.responsible.deleted_at
        assert victim not in (each.responsible, each.created_by)
    assert not ApiKey.objects.filter(responsible=victim).exists()
    hand_over.take_over(key=key, by=owner)
    assert ApiKey.objects.get(pk=key.pk).standing.lets_in


def test_a_key_that_was_handed_to_the_account_keeps_its_creator(shared, owner, victim):
    key = create_key(project=shared, name="Handed", by=owner).key
    hand_over.take_over(key=key, by=victim)
    clear(victim)
    key = ApiKey.objects.get(pk=key.pk)
    assert key.created_by == owner
    assert key.responsible.deleted_at


def test_the_person_leaves_projects_of_others_and_keeps_those_that_nobody_else_owns(shared, owner, victim):
    own = ProjectFactory(name="Planted project", created_by=victim)
    MembershipFactory(project=own, user=victim, role=Role.OWNER)
    MembershipFactory(project=own, user=owner, role=Role.DEVELOPER)
    clear(victim)
    assert set(Project.objects.of(victim)) == {own}
    assert not Membership.objects.filter(project=shared, user=victim).exists()
    with pytest.raises(NoLongerAllowed):
        create_key(project=shared, name="Late", by=victim)


def test_one_email_tells_the_person_everything(shared, owner, victim, told):
    own = ProjectFactory(name="Planted project", created_by=victim)
    MembershipFactory(project=own, user=victim, role=Role.OWNER)
    MembershipFactory(project=own, user=owner, role=Role.DEVELOPER)
    key = create_key(project=own, name="Planted", by=victim).key
    hand_over.offer(key=key, to=owner, by=victim)
    invite(project=own, emails=["accomplice@example.com"], role=Role.OWNER, by=victim)
    about = "[Latchkey] Your account begins anew"
    [message] = [message for message in told(clear, user=victim) if message.subject == about]
    assert message.to == [VICTIM]
    members = "Other members: owner@example.com (developer)"
    for line in (
        "Key paused: Planted in Planted project",
        "Offer of a key ended: Planted in Planted project, to owner@example.com",
        "Invitation ended: accomplice@example.com to Planted project",
        f"Project left: Acme Weather ({shared.public_id})",
        f"Project that only you own now: Planted project ({own.public_id}). {members}",
    ):
        assert f"{line}\n" in message.body
    assert not own.invitations.pending().exists()


def test_one_email_tells_another_owner_of_the_keys_and_of_the_member_who_left(shared, owner, victim, told):
    create_key(project=shared, name="Planted", by=victim)
    [message] = [message for message in told(clear, user=victim) if message.to == [owner.email]]
    assert message.subject == "[Latchkey] Account cleared: victim@example.com"
    assert "Change: left Acme Weather\nChange: paused Planted in Acme Weather\n" in message.body
