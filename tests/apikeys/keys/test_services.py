from contextlib import contextmanager
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import limit_project, restrict_key
from apikeys.keys import pausing, secret_storage, services
from apikeys.keys.key_errors import KeyGone
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from projects.audit_log.kinds import codes_of
from projects.audit_log.models import AuditEvent
from projects.files.storage import delete_file
from projects.locks import ProjectGone
from projects.members.memberships import change_member
from projects.models import Project
from projects.permissions import Role
from projects.services import choose_mails, create_project, delete_project, rename_project
from tests.support.factories import ApiKeyFactory, FileFactory, MembershipFactory
from tests.support.people.emails import ALL

pytestmark = pytest.mark.django_db

ADDRESS = "203.0.113.7"


def kinds(key: ApiKey) -> list[str]:
    """The kinds of the key's events, oldest first."""
    return list(key.events.order_by("pk").values_list("kind", flat=True))


# Creating


def test_a_new_key_is_active_and_its_secret_can_be_read_again(project, owner):
    new = services.create_key(project=project, name="Production server", by=owner)
    assert new.key.state == KeyState.ACTIVE
    assert new.key.created_by == owner
    assert services.reveal_secret(key=new.key, by=owner) == new.secret
    assert services.copy_secret(key=new.key, by=owner) == new.secret


def test_creating_twice_from_one_form_creates_once(project, owner):
    form = {"project": project, "name": "Production server", "by": owner, "form_token": "t" * 22}
    first, again = services.create_key(**form), services.create_key(**form)
    assert (first.key.pk, first.secret) == (again.key.pk, again.secret)
    assert kinds(first.key) == ["created"]


def test_one_form_token_serves_in_two_projects(project, owner):
    token = "t" * 22
    first = services.create_key(project=project, name="Key", by=owner, form_token=token)
    another = MembershipFactory(user=owner).project
    other = services.create_key(project=another, name="Key", by=owner, form_token=token)
    assert first.key.pk != other.key.pk


def test_a_form_whose_key_was_deleted_creates_no_other(project, owner):
    form = {"project": project, "name": "Production server", "by": owner, "form_token": "t" * 22}
    services.delete_key(key=services.create_key(**form).key, by=owner)
    with pytest.raises(ValidationError) as refusal:
        services.create_key(**form)
    assert refusal.value.code == "form_used"
    assert project.api_keys.count() == 1


@pytest.mark.parametrize("again", ["Production server", "PRODUCTION SERVER", "  production \t server "])
def test_names_are_unique_among_living_keys_whatever_their_case(project, owner, api_key, again):
    with pytest.raises(ValidationError) as refusal:
        services.create_key(project=project, name=again, by=owner)
    assert refusal.value.code == "name_taken"
    assert project.api_keys.count() == 1


def test_names_in_other_scripts_are_unique_whatever_their_case(project, owner):
    services.create_key(project=project, name="Ключ", by=owner)
    with pytest.raises(ValidationError) as refusal:
        services.create_key(project=project, name="КЛЮЧ", by=owner)
    assert refusal.value.code == "name_taken"


def test_a_deleted_keys_name_is_free_again(project, owner, api_key):
    services.delete_key(key=api_key, by=owner)
    assert services.create_key(project=project, name=api_key.name, by=owner).key.pk != api_key.pk


def test_other_projects_may_use_the_name(owner, api_key):
    assert services.create_key(project=MembershipFactory(user=owner).project, name=api_key.name, by=owner)


@pytest.mark.parametrize("name", ["", "   ", "a" * 65, "a\0b", "a\u202eb", "a\u200bb", "a\ufeffb"])
def test_a_name_that_breaks_the_rule_creates_nothing(project, owner, name):
    with pytest.raises(ValidationError):
        services.create_key(project=project, name=name, by=owner)
    assert not ApiKey.objects.exists()


def test_a_project_has_at_most_100_living_keys(project, owner, settings):
    assert settings.MAX_KEYS_PER_PROJECT == 100
    ApiKeyFactory.create_batch(99, project=project)
    hundredth = services.create_key(project=project, name="The hundredth", by=owner).key
    with pytest.raises(ValidationError) as refusal:
        services.create_key(project=project, name="One more", by=owner)
    assert refusal.value.code == "too_many_keys"
    assert "100" in refusal.value.message
    services.delete_key(key=hundredth, by=owner)
    assert services.create_key(project=project, name="One more", by=owner)


def test_a_deleted_project_takes_no_keys(project, owner):
    delete_project(project=project, by=owner)
    with pytest.raises(ProjectGone):
        services.create_key(project=project, name="Too late", by=owner)


# Pausing, re-enabling, deleting


def test_pausing_twice_writes_one_event(api_key, owner):
    assert pausing.pause_key(key=api_key, by=owner) is True
    assert pausing.pause_key(key=api_key, by=owner) is False
    assert api_key.is_paused
    assert kinds(api_key) == ["created", "paused"]


def test_re_enabling_twice_writes_one_event(api_key, owner):
    pausing.pause_key(key=api_key, by=owner)
    assert pausing.resume_key(key=api_key, by=owner) is True
    assert pausing.resume_key(key=api_key, by=owner) is False
    assert api_key.is_active
    assert api_key.paused_at is None
    assert kinds(api_key) == ["created", "paused", "resumed"]


def test_pausing_twice_keeps_the_time_of_the_first(api_key, owner):
    pausing.pause_key(key=api_key, by=owner)
    paused_at = api_key.paused_at
    pausing.pause_key(key=api_key, by=owner)
    assert api_key.paused_at == paused_at


def test_deleting_twice_writes_one_event(api_key, owner):
    assert services.delete_key(key=api_key, by=owner) is True
    assert services.delete_key(key=api_key, by=owner) is False
    assert kinds(api_key) == ["created", "deleted"]


@pytest.mark.parametrize("paused_before", [False, True])
def test_a_tombstone_has_no_ciphertext_but_keeps_its_digest(api_key, owner, paused_before):
    digest = bytes(api_key.digest)
    if paused_before:
        pausing.pause_key(key=api_key, by=owner)
    services.delete_key(key=api_key, by=owner)
    row = ApiKey.objects.get(pk=api_key.pk)
    assert (row.state, row.ciphertext, row.ring_key_id, row.paused_at) == (KeyState.DELETED, None, "", None)
    assert row.deleted_at is not None
    assert bytes(row.digest) == digest


@pytest.mark.parametrize("change", [pausing.pause_key, pausing.resume_key])
def test_a_deleted_key_stays_deleted(api_key, owner, change):
    stale = ApiKey.objects.get(pk=api_key.pk)
    services.delete_key(key=api_key, by=owner)
    with pytest.raises(KeyGone):
        change(key=stale, by=owner)
    assert ApiKey.objects.get(pk=api_key.pk).is_deleted
    assert kinds(api_key) == ["created", "deleted"]


@pytest.mark.parametrize("read", [services.copy_secret, services.reveal_secret])
def test_a_deleted_keys_secret_cannot_be_read(api_key, owner, read):
    stale = ApiKey.objects.get(pk=api_key.pk)
    services.delete_key(key=api_key, by=owner)
    with pytest.raises(KeyGone):
        read(key=stale, by=owner)
    assert kinds(api_key) == ["created", "deleted"]


def test_deleting_a_project_deletes_its_keys_and_files_and_nobody_elses(
    project, owner, api_key, django_capture_on_commit_callbacks
):
    pausing.pause_key(key=ApiKeyFactory(project=project, name="Paused"), by=owner)
    file, foreign_file = FileFactory(project=project), FileFactory()
    foreign_key = ApiKeyFactory()
    with django_capture_on_commit_callbacks(execute=True):
        delete_project(project=project, by=owner, address=ADDRESS)
    assert not project.api_keys.alive().exists()
    assert AuditEvent.objects.filter(kind="deleted", by=owner, address=ADDRESS).count() == 2
    assert ApiKey.objects.get(pk=foreign_key.pk).is_active
    assert not file.blob.storage.exists(file.blob.name)
    assert foreign_file.blob.storage.exists(foreign_file.blob.name)


def test_deleting_a_project_twice_is_quiet(project, owner, api_key):
    delete_project(project=project, by=owner)
    delete_project(project=project, by=owner)
    assert kinds(api_key) == ["created", "deleted"]


def test_a_deleted_project_is_not_renamed(project, owner):
    delete_project(project=project, by=owner)
    with pytest.raises(ProjectGone):
        rename_project(project=Project.objects.get(pk=project.pk), name="Back again", by=owner)
    assert Project.objects.get(pk=project.pk).name == "Acme Weather"


def test_creating_a_project_twice_from_one_form_creates_once(owner):
    first = create_project(name="Acme", owner=owner, by=owner, form_token="t" * 22)
    assert create_project(name="Acme", owner=owner, by=owner, form_token="t" * 22) == first
    assert Project.objects.count() == 1
    assert first.memberships.get().user == owner


# Events


LIMITS = Limits(rate=Limit(1, Window.MINUTE))


def test_every_change_and_every_look_at_the_secret_leaves_one_event_with_who_and_where(project, owner, outsider):
    """T15"""
    who = {"by": owner, "address": ADDRESS}
    key, secret = services.create_key(project=project, name="Production server", **who)
    for act in (
        services.copy_secret,
        services.reveal_secret,
        pausing.pause_key,
        pausing.resume_key,
        partial(services.rename_key, name="Renamed"),
        partial(restrict_key, restrictions=Restrictions(read_only=True, networks=("192.0.2.0/24",), limits=LIMITS)),
    ):
        act(key=key, **who)
    secret_storage.show_secrets_once(project=project, **who)
    services.report_leak(secret=secret, address=ADDRESS)
    pausing.resume_key(key=key, although_reported=True, **who)
    services.delete_key(key=key, **who)
    secret_storage.keep_secrets(project=project, **who)
    for role in (Role.VIEWER, Role.OWNER, None):
        change_member(project=project, user=outsider, role=role, **who)
    looks = ["copied", "revealed"]
    changes = [
        "paused",
        "resumed",
        "renamed",
        "access_changed",
        "networks_changed",
        "limits_changed",
        "forgotten",
        "reported",
        "resumed_reported",
    ]
    rename_project(project=project, name="Acme Climate", **who)
    choose_mails(project=project, choice=ALL | {"created": False}, **who)
    delete_file(file=FileFactory(project=project), **who)
    limit_project(project=project, limits=LIMITS, **who)
    assert kinds(key) == ["created", *looks, *changes, "deleted"]
    of_project = list(project.audit_events.filter(key=None).order_by("pk").values_list("kind", flat=True))
    of_members = ["member_added", "member_changed", "member_removed"]
    of_the_rest = ["project_renamed", "notifications_changed", "file_deleted", "project_limited"]
    assert of_project == ["shown_once", "shown_again", *of_members, *of_the_rest]
    of_time = {"paused_until", "pause_changed", "resumed_itself", "end_changed", "ended", "revived"}
    of_time |= {"expired", "ended_quiet", "rolled"}  # tests/apikeys/lifetimes
    elsewhere = {code for code in codes_of() if code.startswith(("invit", "key_offer", "key_handed"))}
    elsewhere |= {"member_joined", "member_left"}  # tests/projects and tests/apikeys/hand_over
    assert {*kinds(key), *of_project} == set(codes_of()) - of_time - elsewhere
    assert key.events.get(kind="reported").by is None  # anyone with the secret can report it
    assert set(project.audit_events.exclude(kind="reported").values_list("by", "address")) == {(owner.pk, ADDRESS)}


def test_no_event_holds_the_secret(api_key, owner):
    """T15"""
    for act in (services.copy_secret, services.reveal_secret, pausing.pause_key, services.delete_key):
        act(key=api_key, by=owner, address=ADDRESS)
    written = repr(list(AuditEvent.objects.values()))
    assert "revealed" in written
    assert api_key.secret[3:] not in written
    assert api_key.secret[3:7] not in written


def test_an_operators_command_leaves_an_event_without_a_person(api_key):
    pausing.pause_key(key=api_key, by=None)
    assert api_key.events.get(kind="paused").by is None


@pytest.fixture
def without_events(transactional_db):
    """Really takes the table of events away. No transaction surrounds the test, so it is the service's own transaction
    that counts.
    """
    table = AuditEvent._meta.db_table

    @contextmanager
    def away():
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} RENAME TO gone")
            try:
                yield
            finally:
                cursor.execute(f"ALTER TABLE gone RENAME TO {table}")

    return away


CHANGES = {
    "create": lambda key, by: services.create_key(project=key.project, name="Another", by=by),
    "copy": lambda key, by: services.copy_secret(key=key, by=by),
    "reveal": lambda key, by: services.reveal_secret(key=key, by=by),
    "pause": lambda key, by: pausing.pause_key(key=key, by=by),
    "re-enable": lambda key, by: pausing.resume_key(key=key, by=by),
    "re-enable although reported": lambda key, by: pausing.resume_key(key=key, by=by, although_reported=True),
    "rename": lambda key, by: services.rename_key(key=key, name="Another", by=by),
    "delete": lambda key, by: services.delete_key(key=key, by=by),
    "report": lambda key, by: services.report_leak(secret=key.secret),
    "show once": lambda key, by: secret_storage.show_secrets_once(project=key.project, by=by),
    "keep secrets": lambda key, by: secret_storage.keep_secrets(project=key.project, by=by),
    "delete the project": lambda key, by: delete_project(project=key.project, by=by),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_remains_of_a_change_whose_event_cannot_be_written(without_events, api_key, owner, change):
    """T15"""
    if change == "re-enable":
        pausing.pause_key(key=api_key, by=owner)
    if change == "re-enable although reported":
        services.report_leak(secret=api_key.secret)
    if change == "keep secrets":
        secret_storage.show_secrets_once(project=api_key.project, by=owner)
    before = list(ApiKey.objects.values()), list(Project.objects.values()), kinds(api_key)
    with without_events(), pytest.raises(DatabaseError):
        CHANGES[change](api_key, owner)
    assert (list(ApiKey.objects.values()), list(Project.objects.values()), kinds(api_key)) == before


def test_an_event_of_an_unknown_kind_is_refused_by_the_database(api_key, owner):
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEvent.objects.create(project=api_key.project, key=api_key, kind="whispered", by=owner)


def test_re_enabling_a_reported_key_takes_the_reason_back(api_key, owner):
    """T13"""
    services.report_leak(secret=api_key.secret)
    assert pausing.resume_key(key=api_key, by=owner) is False
    assert api_key.is_reported
    assert pausing.resume_key(key=api_key, by=owner, although_reported=True) is True
    assert api_key.pause_reason == ""
