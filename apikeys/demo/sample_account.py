"""A sample account for looking around: three projects whose keys have months of history.

The services make the keys, as everywhere. Then this module moves their times into the past, which no service offers and
no other module may do. It makes projects and members itself, because the services would send emails about them.
"""

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from apikeys import audit_kinds
from apikeys.demo.sample_limits import limit_nearly_used
from apikeys.demo.sample_projects import DAY, HOUR, MINUTE, PROJECTS, REHEARSAL, SampleFile, SampleKey, SampleProject
from apikeys.demo.sample_usage import Story, write_use
from apikeys.keys.pausing import pause_key, resume_key
from apikeys.keys.secret_storage import show_secrets_once
from apikeys.keys.services import create_key, delete_key, report_leak
from apikeys.lifetimes.ends import end_key, write_down_end
from apikeys.lifetimes.models import Notice
from apikeys.models import ApiKey
from apikeys.standing import EndReason, KeyState
from common.instants import in_words
from projects import audit_kinds as project_kinds
from projects.audit_log.kinds import Kind, kind_of
from projects.audit_log.models import AuditEvent
from projects.models import File, Membership, Project
from projects.permissions import Role

# Addresses that RFC 5737 and RFC 3849 reserve for examples.
_OFFICE, _HOME, _SERVER = "203.0.113.24", "2001:db8:40::17", "198.51.100.8"
# No person did it, so the event has no address.
_DONE_BY_TIME = (audit_kinds.RESUMED_ITSELF, audit_kinds.EXPIRED)


class DemoKey(NamedTuple):
    key: ApiKey
    secret: str


class Demo(NamedTuple):
    """`projects` pairs each project with its living keys, active ones first."""

    email: str
    password: str
    projects: list[tuple[Project, list[DemoKey]]]


class _People(NamedTuple):
    """The account's owner, somebody whose account is deactivated, and the others of a team with their roles."""

    owner: User
    former: User
    team: dict[User, Role]


class _Happened(NamedTuple):
    """What somebody did with a key, and how long ago."""

    kind: Kind
    ago: timedelta
    before: str = ""


@sensitive_variables()
def create_demo() -> Demo:
    """Makes a new account at every call. Earlier ones stay as they are."""
    now, number, password = timezone.now(), secrets.token_hex(3), secrets.token_urlsafe(12)
    with transaction.atomic():
        owner = _create_person(f"demo-{number}@example.com", password, now)
        former = _create_person(f"former-{number}@example.com", None, now)
        User.objects.filter(pk=former.pk).update(is_active=False)
        team = {
            _create_person(f"{role}-{number}@example.com", None, now, name): role
            for role, name in ((Role.DEVELOPER, "Devi Rao"), (Role.VIEWER, "Vera Lindt"))
        }
        projects = [_create_project(sample, _People(owner, former, team), now) for sample in PROJECTS]
    return Demo(owner.email, password, projects)


@sensitive_variables()
def _create_person(email: str, password: str | None, now: datetime, name: str = "") -> User:
    person = User.objects.create_user(email, password, name=name)
    EmailAddress.objects.create(user=person, email=email, verified=True, primary=True)
    User.objects.filter(pk=person.pk).update(date_joined=now - PROJECTS[0].age - HOUR)
    return person


@sensitive_variables()
def _create_project(sample: SampleProject, people: _People, now: datetime) -> tuple[Project, list[DemoKey]]:
    user = people.owner
    born = now - sample.age - 5 * MINUTE
    project = Project.objects.create(name=sample.name, created_by=user, created_at=born)
    # Nobody is emailed about invented history, so emails are switched on at the end.
    mails = ("mail_created", "mail_deleted", "mail_revealed", "mail_reported", "mail_ending")
    for number, (person, role) in enumerate(({user: Role.OWNER} | (people.team if sample.has_team else {})).items()):
        since = born + number * 9 * DAY
        Membership.objects.create(
            project=project, user=person, role=role, created_at=since, **dict.fromkeys(mails, False)
        )
        joined = AuditEvent(project=project, kind=project_kinds.MEMBER_ADDED.code, member=person, role=role, by=user)
        joined.at, joined.address = since, _OFFICE
        joined.save()
    keys = [_create_key(key, project, people, now) for key in sample.keys]
    project.memberships.update(**dict.fromkeys(mails, True))
    write_use(_stories(sample, keys, now), now)
    for of, (key, _) in zip(sample.keys, keys, strict=True):
        if of.rate:
            limit_nearly_used(key=key, rate=of.rate, by=user, address=_OFFICE, since=now - of.limited, now=now)
    if sample.shown_once_since:
        show_secrets_once(project=project, by=user, address=_OFFICE)
        chosen = (audit_kinds.SHOWN_ONCE.code, audit_kinds.FORGOTTEN.code)
        project.audit_events.filter(kind__in=chosen).update(at=now - sample.shown_once_since)
    for file in sample.files:
        _create_file(file, project, user, now)
    alive = [demo_key for demo_key in keys if not demo_key.key.is_deleted]
    return project, sorted(alive, key=lambda each: (not each.key.standing.lets_in, each.key.name != _best(sample)))


def _best(sample: SampleProject) -> str:
    """The name of the key that was used last."""
    return min(sample.keys, key=lambda key: key.used if key.used is not None else timedelta.max).name


@sensitive_variables()
def _create_key(sample: SampleKey, project: Project, people: _People, now: datetime) -> DemoKey:
    by = people.owner
    responsible = people.former if sample.former else people.owner
    # Some servers give every key an end. The sample keys are older than that.
    end = timezone.now() + timedelta(days=settings.MAX_KEY_DAYS) if settings.MAX_KEY_DAYS else None
    key, secret = create_key(project=project, name=sample.name, by=by, expires_at=end, restrictions=sample.restrictions)
    fields: dict[str, object] = {"created_at": now - sample.age, "responsible": responsible}
    if sample.used is not None:
        fields |= {"last_used_at": now - sample.used, "last_used_address": _SERVER}
    fields |= _rehearsed(sample, key, by, now) | _changed(sample, DemoKey(key, secret), by, now)
    ApiKey.objects.filter(pk=key.pk).update(**fields)
    key.refresh_from_db()
    # Nobody is told of an invented end.
    if key.is_expired:
        write_down_end(key)
    elif key.ends_soon:
        key.notices.create(kind=Notice.WEEK)
    key.events.all().delete()
    AuditEvent.objects.bulk_create(
        AuditEvent(
            project=project,
            key=key,
            kind=happened.kind.code,
            before=happened.before,
            by=None if happened.kind.by_anybody else responsible,
            at=now - happened.ago,
            address=None if happened.kind in _DONE_BY_TIME else _address(number),
        )
        for number, happened in enumerate(_history(sample, now))
    )
    return DemoKey(key, secret)


def _rehearsed(sample: SampleKey, key: ApiKey, by: User, now: datetime) -> dict[str, object]:
    """The columns of the key's rehearsal, after services have made one."""
    if sample.rehearsed is None:
        return {}
    pause_key(key=key, by=by, until=timezone.now() + REHEARSAL)
    resume_key(key=key, by=by)
    began = now - sample.rehearsed
    return {"rehearsal_began_at": began, "rehearsal_ended_at": began + REHEARSAL}


@sensitive_variables()
def _changed(sample: SampleKey, new: DemoKey, by: User, now: datetime) -> dict[str, object]:
    """The columns that move the key's end into the past, after services have ended it."""
    expires_at = now + sample.expires if sample.expires else None
    columns: dict[str, object] = {"expires_at": expires_at, "end_reason": EndReason.CHOSEN if expires_at else ""}
    if sample.ended is None:
        return columns
    at = now - sample.ended
    if sample.state == KeyState.DELETED:
        delete_key(key=new.key, by=by)
        return columns | {"deleted_at": at}
    if sample.state == KeyState.ENDED:
        end_key(key=new.key, by=by)
        return {"expires_at": at}
    if sample.leaked:
        report_leak(secret=new.secret)
    else:
        pause_key(key=new.key, by=by, until=now + sample.resumes if sample.resumes else None, note=sample.note)
    return columns | {"paused_at": at}


def _stories(sample: SampleProject, keys: list[DemoKey], now: datetime) -> Iterator[Story]:
    for of, (key, _) in zip(sample.keys, keys, strict=True):
        if of.use and key.last_used_at:
            pauses = tuple(now - ago for ago in (*of.pauses, of.rehearsed) if ago)
            misses = tuple(now - ago for ago in of.misses)
            times = key.created_at, key.last_used_at, key.stopped_at, pauses, misses
            yield Story(key, of.use, *times, _SERVER, _OFFICE)


def _history(sample: SampleKey, now: datetime) -> Iterator[_Happened]:
    """A copy at once, then one look about every seven weeks, and what became of the key."""
    yield _Happened(audit_kinds.CREATED, sample.age)
    yield _Happened(audit_kinds.COPIED, sample.age - MINUTE)
    expired = max(-(sample.expires or timedelta()), timedelta())
    end = sample.ended or expired
    looks = [audit_kinds.COPIED, audit_kinds.REVEALED]
    for number in range(1, (sample.age - end) // (47 * DAY) + 1):
        yield _Happened(looks[number % 2], sample.age - number * 47 * DAY + number * HOUR)
    for ago in sample.pauses:
        yield _Happened(audit_kinds.PAUSED, ago)
        yield _Happened(audit_kinds.RESUMED, ago - 18 * MINUTE)
    if sample.rehearsed:
        until = sample.rehearsed - REHEARSAL
        yield _Happened(audit_kinds.PAUSED_UNTIL, sample.rehearsed, in_words(now - until))
        yield _Happened(audit_kinds.RESUMED_ITSELF, until)
    if expired:
        yield _Happened(audit_kinds.EXPIRED, expired)
    elif sample.resumes:
        yield _Happened(audit_kinds.PAUSED_UNTIL, end, in_words(now + sample.resumes))
    elif sample.ended is not None:
        yield _Happened(audit_kinds.REPORTED if sample.leaked else kind_of(sample.state), end)


def _address(number: int) -> str:
    return _HOME if number % 3 == 2 else _OFFICE


def _create_file(sample: SampleFile, project: Project, user: User, now: datetime) -> None:
    content = sample.content.encode()
    File.objects.create(
        project=project,
        created_by=user,
        name=sample.name,
        content_type=sample.content_type,
        size=len(content),
        blob=ContentFile(content, name=sample.name),
        created_at=now - sample.age,
    )
