"""Which addresses used a key: the figures for pages and emails, and their deletion.

An address is an IPv4 address or the /64 network of an IPv6 address. Days are days of UTC.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Max, Min, Q, Sum
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.usage.caller_bounds import OTHERS, days_kept
from apikeys.usage.models import CallerSpan, KeyCaller

# A rehearsal takes at most an hour, and pages show it for a day after it.
REHEARSALS_KEPT = timedelta(days=2)
ROWS_A_STATEMENT = 500


class Caller(NamedTuple):
    """The requests with a key from one address."""

    address: str
    allowed: int
    rejected: int
    first_at: datetime
    last_at: datetime

    @property
    def calls(self) -> int:
        return self.allowed + self.rejected


class Callers(NamedTuple):
    """The addresses that used a key, the latest use first.

    `others` are the requests of all addresses that were not stored one by one. `before` is the number of requests that
    were counted while no addresses were stored, as in an earlier release.
    """

    rows: list[Caller]
    others: Caller | None = None
    before: int = 0

    @property
    def is_incomplete(self) -> bool:
        """Whether there were requests from addresses that are not listed. Each figure of the rows then says so."""
        return bool(self.others or self.before)

    @property
    def allowed(self) -> int:
        return sum(caller.allowed for caller in self.all)

    @property
    def rejected(self) -> int:
        return sum(caller.rejected for caller in self.all)

    @property
    def calls(self) -> int:
        return self.allowed + self.rejected

    @property
    def all(self) -> list[Caller]:
        return [*self.rows, *([self.others] if self.others else [])]


def used_from(key: ApiKey, *, days: int | None = None, since: datetime | None = None) -> Callers:
    """The addresses that used the key: in the last `days` days, with today; or since an instant; or all.

    Requests are counted by days, so an address that was used since an instant is listed with all its requests of that
    day. Only a key with its figures (`with_figures`) and a number of days tell how many requests came `before`.
    """
    rows = KeyCaller.objects.filter(key=key, span=CallerSpan.DAY)
    if days is not None:
        rows = rows.filter(starts_at__gte=_first_of(days, timezone.now()))
    if since is not None:
        rows = rows.filter(starts_at__gte=day_of(since), last_at__gte=since)
    figures = Sum("allowed"), Sum("rejected"), Min("first_at"), Max("last_at")
    found = _callers(Caller(*row) for row in rows.values_list("address").annotate(*figures))
    if key.figures and days and since is None:
        counted = sum(day.all for day in key.figures.days[-days:])
        found = found._replace(before=max(0, counted - found.calls))
    return found


def used_since(since: Mapping[int, datetime]) -> dict[int, Callers]:
    """The same for any number of keys by one query. Each key, given by its primary key, has an instant of its own."""
    if not since:
        return {}
    found: dict[int, list[Caller]] = defaultdict(list)
    days = KeyCaller.objects.filter(key__in=since, span=CallerSpan.DAY, last_at__gte=min(since.values()))
    for row in days:
        if row.starts_at >= day_of(since[row.key_id]):
            found[row.key_id].append(Caller(row.address, row.allowed, row.rejected, row.first_at, row.last_at))
    return {pk: _callers(_added_up(found[pk], since[pk])) for pk in since}


def _added_up(days: Iterable[Caller], since: datetime) -> list[Caller]:
    """Each address once, without those that were last used before the instant."""
    found: dict[str, Caller] = {}
    for day in sorted(days, key=lambda day: day.last_at):
        first = found.get(day.address, day._replace(allowed=0, rejected=0))
        allowed, rejected = first.allowed + day.allowed, first.rejected + day.rejected
        found[day.address] = first._replace(allowed=allowed, rejected=rejected, last_at=day.last_at)
    return [caller for caller in found.values() if caller.last_at >= since]


def missed_by_key(keys: Iterable[ApiKey]) -> dict[int, Callers]:
    """Whose requests were rejected in the last rehearsal of each key, by its primary key. It is one query."""
    keys, found = list(keys), defaultdict(list)
    began = {key.pk: key.rehearsal_began_at for key in keys if key.rehearsal_began_at}
    # The keys' newest rehearsals. Older ones of the same keys are left out below.
    rows = KeyCaller.objects.filter(key__in=began, span=CallerSpan.REHEARSAL, starts_at__in={*began.values()})
    for row in rows if began else ():
        if row.starts_at == began[row.key_id]:
            found[row.key_id].append(Caller(row.address, row.allowed, row.rejected, row.first_at, row.last_at))
    return {key.pk: _callers(found[key.pk]) for key in keys}


def _callers(rows: Iterable[Caller]) -> Callers:
    latest_first = sorted(rows, key=lambda caller: (-caller.last_at.timestamp(), caller.address))
    others = next((caller for caller in latest_first if caller.address == OTHERS), None)
    return Callers([caller for caller in latest_first if caller.address != OTHERS], others)


def day_of(at: datetime) -> datetime:
    """When the day began."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _first_of(days: int, now: datetime) -> datetime:
    """When the first of the last `days` days began, with today as the last."""
    return day_of(now) - timedelta(days=days - 1)


def forget_old_callers(now: datetime) -> Iterator[int]:
    """Deletes the rows that CALLER_DAYS does not keep; each step is a statement and gives its number of rows.

    With CALLER_DAYS=0 that is every address. The sums of rehearsals stay for REHEARSALS_KEPT.
    """
    days = days_kept()
    too_old = Q(span=CallerSpan.DAY, starts_at__lt=_first_of(days, now))
    too_old |= Q(span=CallerSpan.REHEARSAL, starts_at__lt=now - max(timedelta(days=days), REHEARSALS_KEPT))
    if not days:
        too_old |= ~Q(address=OTHERS)
    while pks := list(KeyCaller.objects.filter(too_old).values_list("pk", flat=True)[:ROWS_A_STATEMENT]):
        yield KeyCaller.objects.filter(pk__in=pks).delete()[0]
