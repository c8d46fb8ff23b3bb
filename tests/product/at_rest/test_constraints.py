"""Rules that the database enforces by itself. Each constraint is broken by the smallest possible change."""

import pytest
from django.apps import apps
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.db.models import UniqueConstraint
from django.utils import timezone

from accounts.models import User
from apikeys.leases.models import LeaseRegistration
from apikeys.lifetimes.models import KeyNotice
from apikeys.models import ApiKey
from apikeys.usage.models import KeyCaller, KeyUse
from common.outbox.claims import WIPED
from common.outbox.enqueueing import enqueue
from common.outbox.models import Email
from projects.audit_log.models import AuditEvent
from projects.invitations.models import Invitation
from projects.models import Membership, Project
from tests.support.factories import ApiKeyFactory, MembershipFactory, ProjectFactory, UserFactory


def change(row, **fields):
    type(row).objects.filter(pk=row.pk).update(**fields)


def deleted_key(**fields):
    return ApiKeyFactory(
        **{"state": "deleted", "deleted_at": timezone.now(), "ciphertext": None, "ring_key_id": "", **fields}
    )


def paused_key(**fields):
    return ApiKeyFactory(state="paused", paused_at=timezone.now(), **fields)


def second_form(factory, parent, **fields):
    first = factory(form_token="t" * 22, **fields)
    factory(form_token="t" * 22, **{parent: getattr(first, parent)})


def second_name():
    ApiKeyFactory(project=ApiKeyFactory(name="Server").project, name="sERVER")


def second_membership():
    membership = MembershipFactory()
    MembershipFactory(project=membership.project, user=membership.user, role="viewer")


def second_address():
    UserFactory(email="one@example.com")
    change(UserFactory(), email="One@Example.com")


def unknown_kind():
    key = ApiKeyFactory()
    AuditEvent.objects.create(project=key.project, key=key, kind="whispered")


def event_without_its_key():
    AuditEvent.objects.create(project=ProjectFactory(), kind="created")


def key_of_the_projects_event():
    key = ApiKeyFactory()
    AuditEvent.objects.create(project=key.project, key=key, kind="shown_again")


def event_of_the_project(**fields):
    AuditEvent.objects.create(**{"project": ProjectFactory(), "kind": "project_renamed", "before": "A", **fields})


def event_of_a_member(**fields):
    user = UserFactory()
    row = {"project": ProjectFactory(), "kind": "member_added", "member": user, "role": "owner", "by": user}
    AuditEvent.objects.create(**{**row, **fields})


def invitation(**fields):
    row = {"project": ProjectFactory(), "email": "ada@example.com", "role": "viewer", "expires_at": timezone.now()}
    return Invitation.objects.create(**{**row, **fields})


def email():
    enqueue([EmailMessage("Subject", "Text", to=["ada@example.com"])], about="prj_x")
    return Email.objects.latest("pk")


def use(**fields):
    row = {"key": ApiKeyFactory(), "span": "day", "starts_at": timezone.now(), "outcome": "ok", "calls": 1}
    KeyUse.objects.create(**{**row, "last_at": timezone.now(), **fields})


def notices(*kinds):
    key = ApiKeyFactory()
    KeyNotice.objects.bulk_create(KeyNotice(key=key, kind=kind) for kind in kinds)


def caller(**fields):
    now = timezone.now()
    KeyCaller.objects.create(key=ApiKeyFactory(), starts_at=now, first_at=now, last_at=now, **fields)


# The name of the constraint, the column or index that SQLite names instead, and each way to break it.
BROKEN = [
    ("apikey_name_unique_among_living", "", second_name),
    ("apikey_once_per_submitted_form", "form_token", lambda: second_form(ApiKeyFactory, "project")),
    ("lease_registration_is_one_row", "", lambda: LeaseRegistration.objects.create(id=2, until=timezone.now())),
    ("apikey_state_is_known", "", lambda: change(ApiKeyFactory(), state="asleep")),
    ("apikey_paused_at_while_paused", "", lambda: change(ApiKeyFactory(), state="paused")),
    ("apikey_paused_at_while_paused", "", lambda: change(ApiKeyFactory(), paused_at=timezone.now())),
    ("apikey_paused_at_while_paused", "", lambda: change(paused_key(), paused_at=None)),
    ("apikey_pause_reason_while_paused", "", lambda: change(paused_key(), pause_reason="mood")),
    ("apikey_pause_reason_while_paused", "", lambda: change(ApiKeyFactory(), pause_reason="reported")),
    ("apikey_pause_ends_while_paused", "", lambda: change(ApiKeyFactory(), resumes_at=timezone.now())),
    ("apikey_pause_ends_while_paused", "", lambda: change(ApiKeyFactory(), pause_note="A test")),
    ("apikey_end_has_an_instant", "", lambda: change(ApiKeyFactory(), state="ended")),
    ("apikey_end_has_an_instant", "", lambda: change(ApiKeyFactory(), end_reason="chosen")),
    ("apikey_end_has_an_instant", "", lambda: change(ApiKeyFactory(), ends_when_quiet=True)),
    ("apikey_end_reason_is_known", "", lambda: change(ApiKeyFactory(), expires_at=timezone.now(), end_reason="mood")),
    ("keynotice_once", "kind", lambda: notices("week", "week")),
    ("keynotice_kind_is_known", "", lambda: notices("month")),
    ("keycaller_span_is_known", "", lambda: caller(span="week")),
    ("apikey_tombstone_has_no_ciphertext", "", lambda: change(deleted_key(), ciphertext=b"x", ring_key_id="k1")),
    ("apikey_tombstone_has_no_ciphertext", "", lambda: change(deleted_key(), deleted_at=None)),
    ("apikey_tombstone_has_no_ciphertext", "", lambda: change(ApiKeyFactory(), deleted_at=timezone.now())),
    ("apikey_tombstone_has_no_ciphertext", "", lambda: change(deleted_key(), state="active")),
    ("apikey_ciphertext_names_its_ring_key", "", lambda: change(ApiKeyFactory(), ring_key_id="")),
    ("apikey_ciphertext_names_its_ring_key", "", lambda: change(ApiKeyFactory(), ciphertext=None)),
    ("auditevent_kind_is_known", "", unknown_kind),
    ("auditevent_names_its_key", "", event_without_its_key),
    ("auditevent_names_its_key", "", key_of_the_projects_event),
    ("auditevent_source_is_of_a_report", "", lambda: event_of_a_member(source="https://example.com/")),
    ("auditevent_names_its_member", "", lambda: event_of_a_member(member=None)),
    ("auditevent_names_its_member", "", lambda: event_of_a_member(role="")),
    ("auditevent_names_its_member", "", lambda: event_of_a_member(kind="shown_once")),
    ("auditevent_names_its_member", "", lambda: event_of_a_member(kind="shown_once", member=None)),
    ("auditevent_names_its_member", "", lambda: event_of_the_project(role="owner")),
    ("auditevent_names_its_member", "", lambda: event_of_the_project(kind="invited")),
    ("auditevent_names_its_member", "", lambda: event_of_a_member(kind="invited", before="ada@example.com")),
    ("auditevent_has_names_of_a_change", "", lambda: event_of_the_project(before="")),
    ("auditevent_has_names_of_a_change", "", lambda: event_of_the_project(before="", after="B")),
    ("auditevent_has_names_of_a_change", "", lambda: event_of_a_member(before="A")),
    ("auditevent_has_names_of_a_change", "", lambda: event_of_a_member(after="B")),
    ("auditevent_has_names_of_a_change", "", lambda: event_of_a_member(kind="member_changed", after="B")),
    ("auditevent_names_its_key", "", lambda: event_of_the_project(key=ApiKeyFactory())),
    ("keyuse_span_is_known", "", lambda: use(span="week")),
    ("keyuse_outcome_is_known", "", lambda: use(outcome="lost")),
    ("project_once_per_submitted_form", "form_token", lambda: second_form(ProjectFactory, "created_by")),
    ("membership_once_per_project_and_user", "user_id", second_membership),
    ("membership_role_is_known", "", lambda: change(MembershipFactory(), role="emperor")),
    ("invitation_once_while_pending", "email", lambda: invitation(project=invitation().project)),
    ("invitation_role_is_known", "", lambda: invitation(role="emperor")),
    ("invitation_accepted_by_a_person", "", lambda: invitation(accepted_at=timezone.now())),
    ("invitation_accepted_by_a_person", "", lambda: invitation(accepted_by=UserFactory())),
    ("invitation_has_tokens_while_pending", "", lambda: invitation(revoked_at=timezone.now(), link_digest=b"d" * 32)),
    ("user_email_unique_whatever_its_case", "", second_address),
    ("email_lane_is_known", "", lambda: change(email(), lane="express")),
    ("email_state_is_known", "", lambda: change(email(), state="lost", settled_at=timezone.now(), **WIPED)),
    ("email_has_words_while_sendable", "", lambda: change(email(), **WIPED)),
    ("email_has_words_while_sendable", "", lambda: change(email(), state="sent", settled_at=timezone.now())),
    ("email_ciphertext_names_its_ring_key", "", lambda: change(email(), ring_key_id="")),
    ("email_settled_unless_waiting", "", lambda: change(email(), state="failed")),
    ("email_settled_unless_waiting", "", lambda: change(email(), settled_at=timezone.now())),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "column", "break_it"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_the_database_refuses(name, column, break_it):
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        break_it()
    message = str(refusal.value)
    assert name in message or (column and column in message)


@pytest.mark.nodb
def test_every_constraint_is_broken_by_a_case_above():
    ours = [
        model
        for label in ("accounts", "projects", "apikeys", "outbox", "housekeeping")
        for model in apps.get_app_config(label).get_models()
    ]
    assert {constraint.name for model in ours for constraint in model._meta.constraints} == {
        name for name, _, _ in BROKEN
    }


@pytest.mark.django_db
def test_valid_rows_break_no_constraint():
    """Valid neighbours of the cases above: no constraint is too strict."""
    key = ApiKeyFactory(name="Server")
    deleted_key(project=key.project, name="Server")
    deleted_key(project=key.project, name="server")
    ApiKeyFactory(name="Server")
    paused_key(project=key.project)
    change(key, ciphertext=None, ring_key_id="")  # shown once
    ApiKeyFactory.create_batch(2, project=key.project, form_token=None)
    for kind in ("shown_once", "shown_again"):
        AuditEvent.objects.create(project=key.project, kind=kind)
    AuditEvent.objects.create(project=key.project, kind="invited", before="ada@example.com", role="developer")
    for kind in ("member_added", "member_changed", "member_removed", "member_joined", "member_left"):
        AuditEvent.objects.create(project=key.project, kind=kind, member=key.created_by, role="viewer")
    # A file is deleted with a key or without one.
    for used in (key, None):
        AuditEvent.objects.create(project=key.project, kind="file_deleted", key=used, before="report.csv")
    AuditEvent.objects.create(project=key.project, kind="renamed", key=key, before="Server", after="Backend")
    AuditEvent.objects.create(project=key.project, kind="reported", key=key, source="https://example.com/")
    assert ApiKey.objects.alive().count() == 5
    assert isinstance(Project._meta.constraints[0], UniqueConstraint)
    assert Membership.objects.count() == 0
    assert User.objects.count() == 2
