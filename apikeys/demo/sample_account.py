"""A sample account for looking around: three projects whose keys have months of history.

The services make the keys, as everywhere. Then this module moves their times into the past, which no service offers and
no other module may do. It makes projects and members itself, because the services would send emails about them.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from allauth.account.models import EmailAddress
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from apikeys import audit_kinds
from apikeys.demo.sample_usage import Rhythm, SampleUse, Story, write_use
from apikeys.keys.secret_storage import show_secrets_once
from apikeys.keys.services import create_key, delete_key, pause_key, report_leak
from apikeys.lifetimes.ends import end_key
from apikeys.models import ApiKey
from apikeys.standing import EndReason, KeyState
from projects import audit_kinds as project_kinds
from projects.audit_log.kinds import Kind, kind_of
from projects.audit_log.models import AuditEvent
from projects.models import File, Membership, Project
from projects.permissions import Role

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)

# Addresses that RFC 5737 and RFC 3849 reserve for examples.
_OFFICE, _HOME, _SERVER = "203.0.113.24", "2001:db8:40::17", "198.51.100.8"


@dataclass(frozen=True)
class SampleKey:
    """`used` and `ended` are ages. A key reached its `state` at `ended`; a `leaked` key was paused by a report.
    `ends_in` is how far ahead the key's end is.
    """

    name: str
    age: timedelta
    used: timedelta | None = None
    use: SampleUse | None = None
    state: KeyState = KeyState.ACTIVE
    ended: timedelta | None = None
    pauses: tuple[timedelta, ...] = ()
    leaked: bool = False
    ends_in: timedelta | None = None


class SampleFile(NamedTuple):
    name: str
    content_type: str
    content: str
    age: timedelta


@dataclass(frozen=True)
class SampleProject:
    name: str
    age: timedelta
    keys: tuple[SampleKey, ...]
    files: tuple[SampleFile, ...] = ()
    shown_once_since: timedelta | None = None


# The richest first, also by name, because pages list projects by name.
PROJECTS = (
    SampleProject(
        "Acme Weather API",
        214 * DAY,
        keys=(
            SampleKey(
                *("Production server (old)", 214 * DAY, 123 * DAY, SampleUse(5_200, growth=1.9, retries=4)),
                state=KeyState.DELETED,
                ended=121 * DAY,
            ),
            SampleKey("Staging", 208 * DAY, 5 * HOUR, SampleUse(640, Rhythm.OFFICE, 1.4), pauses=(77 * DAY,)),
            SampleKey(
                *("Data import (old)", 190 * DAY, 37 * DAY, SampleUse(1_900, Rhythm.NIGHTLY, retries=1_150)),
                state=KeyState.PAUSED,
                ended=33 * DAY,
            ),
            SampleKey("Production server", 126 * DAY, 3 * MINUTE, SampleUse(9_800, growth=2.2)),
            SampleKey("Mobile backend", 96 * DAY, 41 * MINUTE, SampleUse(3_100, growth=3.0), pauses=(20 * DAY,)),
            SampleKey("CI", 64 * DAY, 1 * DAY, SampleUse(420, Rhythm.OFFICE), ends_in=5 * DAY),
            SampleKey(
                *("Load test", 30 * DAY, 16 * DAY, SampleUse(260, retries=9)), state=KeyState.ENDED, ended=16 * DAY
            ),
        ),
        files=(
            SampleFile("stations.csv", "text/csv", "id,name,lat,lon\n1,Harbour,53.54,9.98\n", 201 * DAY),
            SampleFile("forecast-north.json", "application/json", '{"high": 14, "low": 7}\n', 9 * DAY),
            SampleFile("forecast-south.json", "application/json", '{"high": 19, "low": 11}\n', 2 * DAY),
            SampleFile("alerts.txt", "text/plain", "No alerts.\n", 4 * HOUR),
        ),
    ),
    SampleProject(
        "Storefront",
        88 * DAY,
        keys=(
            SampleKey("Checkout service", 88 * DAY, 12 * MINUTE, SampleUse(2_400, growth=1.6)),
            SampleKey("Warehouse sync", 52 * DAY, 9 * HOUR, SampleUse(700, Rhythm.NIGHTLY)),
            SampleKey(
                *("Agency trial", 45 * DAY, 24 * DAY, SampleUse(180, Rhythm.OFFICE, retries=12)),
                state=KeyState.PAUSED,
                ended=21 * DAY,
                leaked=True,
            ),
        ),
        files=(SampleFile("price-list.csv", "text/csv", "sku,price\nA-100,12.50\n", 6 * DAY),),
    ),
    SampleProject("Internal tools", 12 * DAY, keys=(SampleKey("Laptop", 12 * DAY),), shown_once_since=11 * DAY),
)


class DemoKey(NamedTuple):
    key: ApiKey
    secret: str


class Demo(NamedTuple):
    """`projects` pairs each project with its living keys, active ones first."""

    email: str
    password: str
    projects: list[tuple[Project, list[DemoKey]]]


@sensitive_variables()
def create_demo() -> Demo:
    """Makes a new account at every call. Earlier ones stay as they are."""
    now = timezone.now()
    email, password = f"demo-{secrets.token_hex(3)}@example.com", secrets.token_urlsafe(12)
    with transaction.atomic():
        user = User.objects.create_user(email, password)
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
        User.objects.filter(pk=user.pk).update(date_joined=now - PROJECTS[0].age - HOUR)
        projects = [_create_project(sample, user, now) for sample in PROJECTS]
    return Demo(email, password, projects)


@sensitive_variables()
def _create_project(sample: SampleProject, user: User, now: datetime) -> tuple[Project, list[DemoKey]]:
    born = now - sample.age - 5 * MINUTE
    project = Project.objects.create(name=sample.name, created_by=user, created_at=born)
    # Nobody is emailed about invented history, so emails are switched on at the end.
    mails = ("mail_created", "mail_deleted", "mail_revealed", "mail_reported", "mail_ending")
    Membership.objects.create(project=project, user=user, created_at=born, **dict.fromkeys(mails, False))
    joined = AuditEvent(project=project, kind=project_kinds.MEMBER_ADDED.code, member=user, role=Role.OWNER, by=user)
    joined.at, joined.address = born, _OFFICE
    joined.save()
    keys = [_create_key(key, project, user, now) for key in sample.keys]
    project.memberships.update(**dict.fromkeys(mails, True))
    write_use(_stories(sample, keys, now), now)
    if sample.shown_once_since:
        show_secrets_once(project=project, by=user, address=_OFFICE)
        chosen = (audit_kinds.SHOWN_ONCE.code, audit_kinds.FORGOTTEN.code)
        project.audit_events.filter(kind__in=chosen).update(at=now - sample.shown_once_since)
    for file in sample.files:
        _create_file(file, project, user, now)
    alive = [demo_key for demo_key in keys if not demo_key.key.is_deleted]
    return project, sorted(alive, key=lambda demo_key: (not demo_key.key.is_active, demo_key.key.name != _best(sample)))


def _best(sample: SampleProject) -> str:
    """The name of the key that was used last."""
    return min(sample.keys, key=lambda key: key.used if key.used is not None else timedelta.max).name


@sensitive_variables()
def _create_key(sample: SampleKey, project: Project, user: User, now: datetime) -> DemoKey:
    key, secret = create_key(project=project, name=sample.name, by=user)
    fields: dict[str, object] = {"created_at": now - sample.age}
    if sample.used is not None:
        fields |= {"last_used_at": now - sample.used, "last_used_address": _SERVER}
    if sample.state == KeyState.PAUSED and sample.ended:
        if sample.leaked:
            report_leak(secret=secret)
        else:
            pause_key(key=key, by=user)
        fields["paused_at"] = now - sample.ended
    if sample.state == KeyState.ENDED and sample.ended:
        end_key(key=key, by=user)
        fields["expires_at"] = now - sample.ended
    if sample.ends_in:
        fields |= {"expires_at": now + sample.ends_in, "end_reason": EndReason.CHOSEN}
    if sample.state == KeyState.DELETED and sample.ended:
        delete_key(key=key, by=user)
        fields["deleted_at"] = now - sample.ended
    ApiKey.objects.filter(pk=key.pk).update(**fields)
    key.events.all().delete()
    AuditEvent.objects.bulk_create(
        AuditEvent(
            project=project,
            key=key,
            kind=kind.code,
            by=None if kind.by_anybody else user,
            at=now - ago,
            address=_address(number),
        )
        for number, (kind, ago) in enumerate(_history(sample))
    )
    key.refresh_from_db()
    return DemoKey(key, secret)


def _stories(sample: SampleProject, keys: list[DemoKey], now: datetime) -> Iterator[Story]:
    for of, (key, _) in zip(sample.keys, keys, strict=True):
        if of.use and key.last_used_at:
            pauses = tuple(now - ago for ago in of.pauses)
            yield Story(key, of.use, key.created_at, key.last_used_at, key.stopped_at, pauses, _SERVER)


def _history(sample: SampleKey) -> Iterator[tuple[Kind, timedelta]]:
    """What people did with the key, and how long ago: a copy at once, then one look about every seven weeks."""
    yield audit_kinds.CREATED, sample.age
    yield audit_kinds.COPIED, sample.age - MINUTE
    end = sample.ended or timedelta()
    looks = [audit_kinds.COPIED, audit_kinds.REVEALED]
    for number in range(1, (sample.age - end) // (47 * DAY) + 1):
        yield looks[number % 2], sample.age - number * 47 * DAY + number * HOUR
    for ago in sample.pauses:
        yield audit_kinds.PAUSED, ago
        yield audit_kinds.RESUMED, ago - 18 * MINUTE
    if sample.ended is not None:
        yield audit_kinds.REPORTED if sample.leaked else kind_of(sample.state), sample.ended


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
