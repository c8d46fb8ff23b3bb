"""Every change of a project, or of something in it, asks for its maker's right again in its own transaction.

A page asks first. Between its question and the change, the person may have been removed or have got another role.
"""

import inspect
from functools import partial
from importlib import import_module
from pkgutil import walk_packages

import pytest
from django.db import connection
from django.forms.models import model_to_dict
from django.utils import timezone

import apikeys
import projects
from accounts.models import User
from accounts.own_account.deletion import delete_account
from accounts.services import deactivate_account
from apikeys.bounds import services as bounds
from apikeys.bounds.restrictions import Restrictions
from apikeys.hand_over import services as hand_over
from apikeys.hand_over.models import KeyOffer
from apikeys.hand_over.removal import Who, remove_member
from apikeys.keys import pausing, secret_storage
from apikeys.keys import services as keys
from apikeys.lifetimes import ends, rolling
from apikeys.models import ApiKey
from projects import services
from projects.audit_log.models import AuditEvent
from projects.invitations import services as invitations
from projects.invitations.models import Invitation
from projects.locks import NoLongerAllowed
from projects.members import memberships
from projects.models import Membership, Project
from projects.permissions import Permission, Role, permissions_of, reason
from projects.services import MAIL_KINDS

KEYS, PROJECT, MEMBERS = Permission.MANAGE_KEYS, Permission.MANAGE_PROJECT, Permission.MANAGE_MEMBERS
CHOICE = dict.fromkeys(MAIL_KINDS, False)

# Each service that a person calls: the right that it needs, and how it is called.
CHANGES = {
    keys.create_key: (KEYS, lambda at: {"project": at.project, "name": "New"}),
    keys.rename_key: (KEYS, lambda at: {"key": at.key, "name": "Other"}),
    keys.delete_key: (KEYS, lambda at: {"key": at.key}),
    keys.copy_secret: (Permission.READ_SECRETS, lambda at: {"key": at.key}),
    keys.reveal_secret: (Permission.READ_SECRETS, lambda at: {"key": at.key}),
    pausing.pause_key: (KEYS, lambda at: {"key": at.key}),
    pausing.resume_key: (KEYS, lambda at: {"key": at.paused}),
    pausing.change_end_of_pause: (KEYS, lambda at: {"key": at.paused, "until": at.later}),
    ends.change_end: (KEYS, lambda at: {"key": at.key, "expires_at": at.later}),
    ends.edit_key: (KEYS, lambda at: {"key": at.key, "name": "Other"}),
    ends.end_key: (KEYS, lambda at: {"key": at.key}),
    bounds.restrict_key: (KEYS, lambda at: {"key": at.key, "restrictions": Restrictions(read_only=True)}),
    rolling.roll_key: (KEYS, lambda at: {"key": at.key, "overlap": rolling.Overlap.DAY}),
    rolling.extend_overlap: (KEYS, lambda at: {"key": at.ending, "seen": at.ending.expires_at}),
    secret_storage.show_secrets_once: (PROJECT, lambda at: {"project": at.project}),
    secret_storage.keep_secrets: (PROJECT, lambda at: {"project": at.project}),
    hand_over.take_over: (Permission.HAND_OVER_KEYS, lambda at: {"key": at.key}),
    hand_over.offer: (Permission.HAND_OVER_KEYS, lambda at: {"key": at.key, "to": at.developer}),
    hand_over.withdraw: (Permission.HAND_OVER_KEYS, lambda at: {"offer": at.offer}),
    hand_over.accept: (KEYS, lambda at: {"offer": at.offer}),
    hand_over.decline: (KEYS, lambda at: {"offer": at.offer}),
    services.rename_project: (PROJECT, lambda at: {"project": at.project, "name": "Other"}),
    services.delete_project: (PROJECT, lambda at: {"project": at.project}),
    services.choose_mails: (Permission.GET_MAILS, lambda at: {"project": at.project, "choice": CHOICE}),
    memberships.manage_member: (MEMBERS, lambda at: {"project": at.project, "user": at.developer, "role": None}),
    invitations.invite: (MEMBERS, lambda at: {"project": at.project, "emails": ["a@b.example"], "role": Role.OWNER}),
    invitations.resend: (MEMBERS, lambda at: {"invitation": at.invitation}),
    invitations.copy_link: (MEMBERS, lambda at: {"invitation": at.invitation}),
    invitations.revoke: (MEMBERS, lambda at: {"invitation": at.invitation}),
}
# Why the other functions that take `by` ask for no right of a member.
OTHERS = {
    "projects.locks.lock_for": "is what asks",
    "projects.locks.hold_right": "is what asks",
    "projects.services.create_project": "asks whether the account is still active",
    "projects.services.choose_mails_of": "calls choose_mails",
    "projects.members.memberships.change_member": "leaving needs no right; otherwise called by staff and services",
    "projects.acceptance.acceptance.accept": "asks for the account and the invitation",
    "projects.invitations.services.revoke_pending": "says so",
    "projects.files.storage.add_file": "a program's key is asked for",
    "projects.files.storage.delete_file": "a program's key is asked for",
    "projects.audit_log.recording.record": "writes the event of a service",
    "projects.audit_log.recording.record_for_keys": "writes the events of a service",
    "apikeys.bounds.services.limit_project": "operators and staff alone call it",
    "apikeys.keys.services.delete_keys_of": "follows from the deletion of a project",
    "apikeys.lifetimes.ends.move_end": "a part of services",
    "apikeys.hand_over.services.hand_over": "operators alone call it",
    "apikeys.hand_over.ended_offers.end_offers": "says so",
    "apikeys.demo.sample_limits.limit_nearly_used": "makes the sample account",
    "apikeys.responsible.owners_to_ask.owners_to_ask": "changes nothing",
    "apikeys.hand_over.offer_emails.tell_of_offer": "writes the email of a service",
}


class Stage:
    """A project of `actor`, who is one of two owners, with everything that can be changed in it."""

    def __init__(self, project, owner):
        self.project, self.actor, self.later = project, owner, timezone.now() + timezone.timedelta(days=2)
        self.other, self.developer = (
            User.objects.create_user("other@x.example"),
            User.objects.create_user("d@x.example"),
        )
        Membership.objects.create(project=project, user=self.other, role=Role.OWNER)
        Membership.objects.create(project=project, user=self.developer, role=Role.DEVELOPER)
        self.key, self.paused, self.ending = [
            keys.create_key(
                project=project, name=name, by=self.other, expires_at=self.later if name == "Ends" else None
            ).key
            for name in ("Works", "Paused", "Ends")
        ]
        pausing.pause_key(key=self.paused, by=self.other)
        hand_over.offer(key=self.paused, to=self.developer, by=self.other)
        self.offer = KeyOffer.objects.get()
        [self.invitation] = invitations.invite(project=project, emails=["i@x.example"], role=Role.VIEWER, by=self.other)

    def rows(self):
        models = (ApiKey, KeyOffer, Invitation, Membership, Project, AuditEvent)
        return [[model_to_dict(row) | {"pk": row.pk} for row in model.objects.order_by("pk")] for model in models]


@pytest.fixture
def stage(project, owner):
    return Stage(project, owner)


def refused(stage, change):
    before = stage.rows()
    _, arguments = CHANGES[change]
    with pytest.raises(NoLongerAllowed) as caught:
        change(by=stage.actor, **arguments(stage))
    assert stage.rows() == before
    return str(caught.value)


each = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)


@each
def test_a_person_who_was_removed_in_the_meantime_changes_nothing(stage, change):
    memberships.change_member(project=stage.project, user=stage.actor, role=None, by=stage.other)
    assert refused(stage, change) == ""


@each
def test_a_person_who_got_another_role_in_the_meantime_changes_nothing_and_reads_why(stage, change):
    can, _ = CHANGES[change]
    role = Role.DEVELOPER if can not in permissions_of(Role.DEVELOPER) else Role.VIEWER
    memberships.change_member(project=stage.project, user=stage.actor, role=role, by=stage.other)
    assert refused(stage, change) == reason(can)


@each
def test_a_person_whose_account_was_deactivated_in_the_meantime_changes_nothing(stage, change):
    deactivate_account(user=stage.actor, by=None)
    if change is not services.choose_mails:
        assert refused(stage, change) == ""


@pytest.mark.parametrize(
    "close", [lambda user: delete_account(user=user), lambda user: deactivate_account(user=user, by=None)]
)
def test_a_closed_account_creates_no_project(stage, close):
    user = User.objects.create_user("goes@x.example")
    close(user)
    with pytest.raises(NoLongerAllowed):
        services.create_project(name="Orphan", owner=user, by=user)
    assert not Project.objects.filter(created_by=user).exists()


def test_removing_a_member_asks_for_the_right_before_it_touches_a_key(stage):
    memberships.change_member(project=stage.project, user=stage.actor, role=Role.DEVELOPER, by=stage.other)
    before = stage.rows()
    with pytest.raises(NoLongerAllowed):
        remove_member(project=stage.project, user=stage.developer, choices={}, who=Who(stage.actor, None))
    assert stage.rows() == before


def test_each_function_that_says_who_makes_a_change_is_in_the_table():
    found = set()
    for package in (apikeys, projects):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if "management" in module.name or "migrations" in module.name:
                continue
            loaded = import_module(module.name)
            found |= {
                f"{module.name}.{name}"
                for name, made in vars(loaded).items()
                if inspect.isfunction(inspect.unwrap(made))
                and made.__module__ == module.name
                and not name.startswith("_")
                if (by := inspect.signature(made).parameters.get("by")) and by.kind == inspect.Parameter.KEYWORD_ONLY
            }
    named = {f"{change.__module__}.{change.__name__}" for change in CHANGES}
    assert found == named | set(OTHERS)


class Meanwhile:
    """Does something once, between the page's question for the membership and the transaction of its service."""

    def __init__(self, act):
        self.act, self.has_asked = act, False

    def __call__(self, execute, sql, *rest):
        self.has_asked |= '"projects_membership"' in sql
        if self.has_asked and self.act and sql.startswith("SAVEPOINT"):
            act, self.act = self.act, None
            act()
        return execute(sql, *rest)


@pytest.mark.parametrize("role", [None, Role.VIEWER])
def test_the_page_of_a_person_who_lost_the_right_after_its_question_says_so(stage, signed_in, role):
    client = signed_in(stage.actor)
    change = partial(memberships.change_member, project=stage.project, user=stage.actor, role=role, by=stage.other)
    with connection.execute_wrapper(Meanwhile(change)):
        answer = client.post(f"/projects/{stage.project.public_id}/keys/{stage.key.public_id}/pause/")
    assert answer.status_code == (404 if role is None else 403)
    assert (reason(KEYS) in answer.text) == (role is not None)
    stage.key.refresh_from_db()
    assert stage.key.is_active
