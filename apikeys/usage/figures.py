"""The figures that pages show of the counted requests: read-only, one query each, in hours and days of UTC."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.db.models import DateField, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Greatest, TruncDate
from django.utils import timezone

from apikeys.models import STORED_FACTS, ApiKey
from apikeys.refusals import LET_IN
from apikeys.standing import KeyState
from apikeys.usage.models import KeyUse, ProjectUse, Span
from projects.models import Project

# How many deleted keys the figures list one by one.
MOST_DELETED = 1_000
_STEP = {Span.HOUR: timedelta(hours=1), Span.DAY: timedelta(days=1)}


class Period(StrEnum):
    """How far back figures go; the value is the word in an address."""

    DAY = "24h"
    MONTH = "30d"
    YEAR = "12m"


# The unit of each period, and how many of them it has; the current unit is the last. The last 24 hours begin in the
# middle of an hour, and requests are counted by full hours. That hour is in, so that no request of the time is missed.
PERIODS = {
    Period.DAY: (Span.HOUR, 25),
    Period.MONTH: (Span.DAY, 30),
    Period.YEAR: (Span.DAY, 365),
}


class Calls(NamedTuple):
    """How many requests were allowed and rejected."""

    allowed: int = 0
    refused: int = 0

    @property
    def all(self) -> int:
        return self.allowed + self.refused


def total(each: Sequence[Calls]) -> Calls:
    return Calls(sum(calls.allowed for calls in each), sum(calls.refused for calls in each))


class Bucket(NamedTuple):
    """The requests of the hour or day that begins at `starts_at`, and how many were rejected for which reason."""

    starts_at: datetime
    calls: Calls
    refused_by: tuple[tuple[str, int], ...] = ()


class KeyFigures(NamedTuple):
    """A key's last 24 hours, as the Usage page counts them, and each of its last 30 days, with today as the last."""

    last_24_hours: Calls
    since: datetime  # the full hour at which the last 24 hours begin
    days: tuple[Calls, ...]
    day: datetime  # the day of UTC that is today

    @property
    def today(self) -> Calls:
        return self.days[-1]

    @property
    def month(self) -> Calls:
        return total(self.days)


def _floor(at: datetime, span: Span) -> datetime:
    at = at.replace(minute=0, second=0, microsecond=0)
    return at.replace(hour=0) if span == Span.DAY else at


def starts(period: Period) -> list[datetime]:
    """When each hour or day of the period begins, the oldest first."""
    span, number = PERIODS[period]
    last = _floor(timezone.now(), span)
    return [last - _STEP[span] * ago for ago in range(number - 1, -1, -1)]


def _sorted_out(rows: Iterable[tuple[str, int]]) -> Calls:
    allowed = refused = 0
    for outcome, calls in rows:
        if outcome == LET_IN:
            allowed += calls
        else:
            refused += calls
    return Calls(allowed, refused)


def _bucket(at: datetime, rows: list[tuple[str, int]]) -> Bucket:
    return Bucket(at, _sorted_out(rows), tuple(sorted(row for row in rows if row[0] != LET_IN)))


class Counted(NamedTuple):
    """The keys that a project's figures list one by one. `all_of_them` is False if deleted keys were left out."""

    keys: list[ApiKey]
    all_of_them: bool


def keys_counted(project: Project, period: Period) -> Counted:
    """The living keys, and the MOST_DELETED deleted keys with the latest requests that can have requests in the period.

    A project may have any number of deleted keys, and nothing here may cost more for each of them. A deleted key can
    have requests in the period if its last use, its last rejection or its deletion is in it: rejections before the
    deletion left no time on the key. Those keys come last, the newest deletion first.
    """
    start = starts(period)[0]
    columns = ("project", "public_id", "name", *STORED_FACTS, "ends_when_quiet", "last_used_at", "last_refused_at")
    keys = project.api_keys.select_related("responsible").only(*columns, "responsible__is_active")
    called = Q(last_used_at__gte=start) | Q(last_refused_at__gte=start)
    last_call = Greatest(Coalesce("last_used_at", "last_refused_at"), Coalesce("last_refused_at", "last_used_at"))
    deleted = keys.filter(called | Q(deleted_at__gte=start), state=KeyState.DELETED)
    found = list(deleted.order_by(last_call.desc(nulls_last=True), "-deleted_at")[: MOST_DELETED + 1])
    all_of_them = len(found) <= MOST_DELETED or not (found[-1].last_used_at or found[-1].last_refused_at)
    return Counted([*keys.alive().order_by(), *found[:MOST_DELETED]], all_of_them)


def use_of(keys: Sequence[ApiKey] | Sequence[int], period: Period) -> QuerySet[KeyUse]:
    """The period's rows of the keys, given as keys or as primary keys.

    The ids are listed, because for a subquery PostgreSQL would read the whole table instead of the primary key.
    """
    return KeyUse.objects.filter(key__in=keys, span=PERIODS[period][0], starts_at__gte=starts(period)[0])


def history(keys: Sequence[ApiKey] | Sequence[int], period: Period) -> list[Bucket]:
    """Every hour or day of the period with the requests of all `keys`, the oldest first, also empty ones."""
    found: dict[datetime, list[tuple[str, int]]] = defaultdict(list)
    sums = use_of(keys, period).values_list("starts_at", "outcome").annotate(sum=Sum("calls"))
    for starts_at, outcome, calls in sums:
        found[starts_at].append((outcome, calls))
    return [_bucket(start, found[start]) for start in starts(period)]


def project_history(project: Project, keys: Sequence[ApiKey] | Sequence[int], period: Period) -> list[Bucket]:
    """The same for all keys of a project, whose days are also counted for the project as a whole."""
    if PERIODS[period][0] == Span.HOUR:
        return history(keys, period)
    days = starts(period)
    found: dict[datetime, list[tuple[str, int]]] = defaultdict(list)
    rows = ProjectUse.objects.filter(project=project, starts_at__gte=days[0])
    for starts_at, outcome, calls in rows.values_list("starts_at", "outcome", "calls"):
        found[starts_at].append((outcome, calls))
    return [_bucket(day, found[day]) for day in days]


def totals(keys: Sequence[ApiKey] | Sequence[int], period: Period) -> dict[int, Calls]:
    """The period's requests of each key that had any, by the key's primary key."""
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    rows = _of_a_year(keys) if period == Period.YEAR else _sums(use_of(keys, period))
    for key_pk, outcome, calls in rows:
        found[key_pk].append((outcome, calls))
    return {key_pk: _sorted_out(rows) for key_pk, rows in found.items()}


def _sums(rows: QuerySet[KeyUse]) -> QuerySet[KeyUse, tuple[int, str, int]]:
    return rows.values_list("key_id", "outcome").annotate(sum=Sum("calls"))


def _of_a_year(keys: Sequence[ApiKey] | Sequence[int]) -> QuerySet[KeyUse, tuple[int, str, int]]:
    """Every request of the year once: the first month by days, because it is cut off, the others by months."""
    first = starts(Period.YEAR)[0]
    month = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
    months = KeyUse.objects.filter(key__in=keys, span=Span.MONTH, starts_at__gte=month)
    # A union, so that each half reads its own stretch of the index.
    return _sums(months).union(_sums(use_of(keys, Period.YEAR).filter(starts_at__lt=month)), all=True)


def with_figures(keys: Iterable[ApiKey]) -> list[ApiKey]:
    """The keys with their `figures`, by one query for any number of keys."""
    keys = list(keys)
    since, days = starts(Period.DAY)[0], starts(Period.MONTH)
    no_day = Value(None, output_field=DateField())
    hours = use_of(keys, Period.DAY).values_list("key_id", "outcome").annotate(day=no_day, sum=Sum("calls"))
    # The database makes dates of the instants: Python reads 300 dates in half the time.
    each_day = use_of(keys, Period.MONTH).annotate(day=TruncDate("starts_at", tzinfo=UTC))
    # A union, so that each half reads its own stretch of the index.
    rows = hours.union(each_day.values_list("key_id", "outcome", "day", "calls"), all=True)
    found: dict[tuple[int, date | None], list[tuple[str, int]]] = defaultdict(list)
    for key_pk, outcome, day, calls in rows if keys else ():
        found[key_pk, day].append((outcome, calls))
    dates = [day.date() for day in days]
    for key in keys:
        of_days = tuple(_sorted_out(found.get((key.pk, day), ())) for day in dates)
        key.figures = KeyFigures(_sorted_out(found.get((key.pk, None), ())), since, of_days, days[-1])
    return keys
