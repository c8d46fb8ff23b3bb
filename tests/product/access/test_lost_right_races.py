"""A person makes a change while they are removed, demoted, or delete their account: real threads, own connections."""

from functools import partial

import pytest

from accounts.own_account.deletion import StillNeeded, delete_account
from apikeys.hand_over.removal import Who, remove_member
from apikeys.keys.services import create_key
from apikeys.lifetimes.rolling import Overlap, roll_key
from apikeys.models import ApiKey
from projects.audit_log.models import AuditEvent
from projects.locks import NoLongerAllowed
from projects.members.memberships import manage_member
from projects.models import Membership, Project
from projects.permissions import Role
from projects.services import create_project
from tests.support.factories import ApiKeyFactory, MembershipFactory, ProjectFactory, UserFactory
from tests.support.programs.parallel import rounds_in_parallel

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 25


def scenes():
    """A project with an owner who stays and an owner who goes, and a key of the one who stays."""
    for _ in range(ROUNDS):
        stays, goes = UserFactory(), UserFactory()
        project = ProjectFactory(created_by=stays)
        for user in (stays, goes):
            MembershipFactory(project=project, user=user)
        yield project, stays, goes, ApiKeyFactory(project=project)


def creates(project, goes, key):
    return partial(create_key, project=project, name="Late", by=goes)


def rolls(project, goes, key):
    return partial(roll_key, key=key, overlap=Overlap.DAY, by=goes)


@pytest.mark.parametrize("change", [creates, rolls])
def test_no_key_hangs_on_an_account_that_was_deleted(transactional_db, change):
    found = list(scenes())
    rounds = [[partial(delete_account, user=goes), change(project, goes, key)] for project, _, goes, key in found]
    answers = rounds_in_parallel(rounds)
    for (_, _, goes, key), (deleted, changed) in zip(found, answers, strict=True):
        goes.refresh_from_db()
        key.refresh_from_db()
        if deleted is None:
            assert isinstance(changed, NoLongerAllowed)
            assert key.expires_at is None  # the key of the person who stays goes on
        else:
            assert isinstance(deleted, StillNeeded)
            assert changed.key.responsible == goes
        assert ApiKey.objects.filter(responsible=goes).exists() == (goes.deleted_at is None)


def test_no_project_belongs_to_an_account_that_was_deleted(transactional_db):
    people = UserFactory.create_batch(ROUNDS)
    rounds = [
        [partial(delete_account, user=user), partial(create_project, name="Late", owner=user, by=user)]
        for user in people
    ]
    for deleted, created in rounds_in_parallel(rounds):
        assert isinstance(created, NoLongerAllowed) if deleted is None else isinstance(deleted, StillNeeded)
    assert not Project.objects.exclude(created_by__deleted_at=None).exists()
    assert not Membership.objects.exclude(user__deleted_at=None).exists()


@pytest.mark.parametrize("change", [creates, rolls])
@pytest.mark.parametrize("how", ["removed", "demoted"])
def test_a_change_comes_before_the_removal_of_its_maker_or_not_at_all(transactional_db, change, how):
    found = list(scenes())

    def ends(project, stays, goes):
        if how == "demoted":
            return partial(manage_member, project=project, user=goes, role=Role.VIEWER, by=stays)
        return partial(remove_member, project=project, user=goes, choices={}, who=Who(stays, None))

    rounds = [[ends(project, stays, goes), change(project, goes, key)] for project, stays, goes, key in found]
    for (project, _, _, key), (ended, changed) in zip(found, rounds_in_parallel(rounds), strict=True):
        assert not isinstance(ended, Exception)
        kinds = ["member_removed", "member_changed"]
        [at] = AuditEvent.objects.filter(project=project, kind__in=kinds).values_list("pk", flat=True)
        late = AuditEvent.objects.filter(project=project, kind__in=["created", "rolled"], pk__gt=at)
        assert not late.exists()
        key.refresh_from_db()
        if isinstance(changed, Exception):
            assert isinstance(changed, NoLongerAllowed)
            assert key.expires_at is None
