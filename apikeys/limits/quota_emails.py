"""The emails at 80 % and at 100 % of a quota. Housekeeping calls warn_of_quotas.

All owners get them, and nobody can turn them off: they are about costs, and about requests that are rejected. Each is
sent once in a window of the quota; a quota that was raised has emails of its own (reserving.py). The mark and the
emails are one transaction: a process that is killed has done all of it or nothing, and two processes at once do it
once.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse

from apikeys.bounds.restrictions import Limit, LimitKind, Unreadable, read_limits
from apikeys.limits.models import Budget, key_budget, project_budget
from apikeys.limits.reserving import ends_of
from apikeys.limits.resting import Used
from apikeys.models import ApiKey
from common.instants import in_words
from projects.audit_log.kinds import Email
from projects.audit_log.owner_emails import Line, tell_owners
from projects.models import Project

ALMOST, ALL = 80, 100
LONGEST_WINDOW = timedelta(days=31)

_KEY_ADVICE = "If you did not expect so many requests, find out who uses the key. If it needs more, raise its quota."
_PROJECT_ADVICE = "If you did not expect so many requests, look at the usage. The operator can raise the quota."
_OF_KEY = {
    ALMOST: Email(
        None,
        "80 % of a quota is used",
        "An API key has used 80 % of its quota. When the quota is used up, requests using the key are rejected until "
        "the quota begins anew.",
        _KEY_ADVICE,
        section="",
    ),
    ALL: Email(
        None,
        "Quota used up",
        "An API key has used up its quota. Requests using it are rejected until the quota begins anew.",
        _KEY_ADVICE,
        section="",
    ),
}
_OF_PROJECT = {
    ALMOST: Email(
        None,
        "80 % of the project's quota is used",
        "The API keys of a project have used 80 % of its quota together. When it is used up, their requests are "
        "rejected until the quota begins anew.",
        _PROJECT_ADVICE,
        section="",
    ),
    ALL: Email(
        None,
        "Project's quota used up",
        "The API keys of a project have used up its quota together. Their requests are rejected until the quota "
        "begins anew.",
        _PROJECT_ADVICE,
        section="",
    ),
}


def warn_of_quotas(now: datetime) -> int:
    """Queues the emails that are due, and returns the number of quotas that they are about."""
    due = {row.name: row for row in _due(now)}
    owners = [name.split(":")[:2] for name in due]
    told = 0
    for key in _keys(int(pk) for owner, pk in owners if owner == "key"):
        told += _warn_of_key(key, due, now)
    for project in Project.objects.alive().filter(pk__in=[int(pk) for owner, pk in owners if owner == "project"]):
        told += _warn_of_project(project, due, now)
    return told


def _due(now: datetime) -> QuerySet[Budget]:
    """By the limit at the last reservation. Whether an email is due by the limit of now is decided later."""
    quotas = Budget.objects.filter(
        name__contains=f":{LimitKind.QUOTA}:", starts__gt=int((now - LONGEST_WINDOW).timestamp())
    )
    is_untold = ~Q(mailed_starts=F("starts")) | Q(mailed_percent__lt=ALMOST)
    is_untold_of_all = Q(mailed_percent__lt=ALL, used__gte=F("amount"))
    return quotas.filter(is_untold | is_untold_of_all, used__gte=F("amount") * ALMOST / 100)


def _keys(pks: Iterable[int]) -> QuerySet[ApiKey]:
    return ApiKey.objects.alive().filter(pk__in=[*pks], project__deleted_at=None).select_related("project")


def _warn_of_key(key: ApiKey, due: dict[str, Budget], now: datetime) -> bool:
    try:
        quota = key.bounds.limits.quota
    except Unreadable:
        return False
    row = due.get(key_budget(key.pk, LimitKind.QUOTA, quota)) if quota else None
    if quota is None or row is None:
        return False
    url = settings.BASE_URL + reverse("apikeys:edit", args=[key.project.public_id, key.public_id])
    key_line, link = ("Key", f"{key.name}, {key.mask}"), ("Raise the quota", url)
    return _warn(row, quota, now, key.project, _OF_KEY, key.name, [key_line], [link])


def _warn_of_project(project: Project, due: dict[str, Budget], now: datetime) -> bool:
    try:
        quota = read_limits(project.limits).quota
    except Unreadable:
        return False
    row = due.get(project_budget(project.pk, LimitKind.QUOTA, quota)) if quota else None
    return bool(quota and row and _warn(row, quota, now, project, _OF_PROJECT, "", [], []))


def _warn(
    row: Budget,
    quota: Limit,
    now: datetime,
    project: Project,
    emails: dict[int, Email],
    about: str,
    first: list[Line],
    last: list[Line],
) -> bool:
    used = Used(quota, row.used, datetime.fromtimestamp(ends_of(row.starts, quota.window), UTC))
    percent = ALL if used.is_spent else ALMOST
    if used.ends_at <= now or row.used * 100 < quota.amount * percent:
        return False
    lines = [*first, ("Used", used.in_words), ("Begins anew", in_words(used.ends_at)), *last]
    with transaction.atomic():
        if not _mark(row, percent):
            return False
        tell_owners(project, emails[percent], about, lines)
    return True


def _mark(row: Budget, percent: int) -> bool:
    """False if another process was first, or if the window has ended by now."""
    untold = ~Q(mailed_starts=row.starts) | Q(mailed_percent__lt=percent)
    rows = Budget.objects.filter(untold, name=row.name, starts=row.starts)
    return bool(rows.update(mailed_percent=percent, mailed_starts=row.starts))
