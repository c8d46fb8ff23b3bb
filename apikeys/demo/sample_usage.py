"""The requests of the sample keys: a rhythm of day and week, growth, a few rejections. They are the same every time.

Days and months are sums of the hours that are computed here too, so that all of them agree.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from apikeys.models import ApiKey
from apikeys.refusals import ADDRESS_REFUSED, KEY_PAUSED, LET_IN
from apikeys.usage.caller_bounds import days_kept
from apikeys.usage.folding import HOURS_KEPT
from apikeys.usage.models import CallerSpan, KeyCaller, KeyUse, ProjectUse, Span
from projects.models import Project

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


class Rhythm(Enum):
    """How the requests of a day spread over its hours, in UTC, and a weekend's part of a weekday's requests."""

    PEOPLE = (1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 9, 8, 9, 10, 10, 9, 8, 8, 7, 6, 4, 3, 2), 0.55
    OFFICE = (0, 0, 0, 0, 0, 0, 1, 5, 9, 10, 10, 7, 5, 9, 10, 9, 7, 3, 1, 0, 0, 0, 0, 0), 0.08
    NIGHTLY = (0, 0, 30, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1.0

    def share(self, hour: datetime) -> float:
        hours, weekend = self.value
        return hours[hour.hour] / sum(hours) * (weekend if hour.weekday() >= 5 else 1)


class SampleUse(NamedTuple):
    """`calls` a weekday at first; `growth` is their factor by now; `retries` a day are rejected after the end."""

    calls: int
    rhythm: Rhythm = Rhythm.PEOPLE
    growth: float = 1.0
    retries: int = 0


class Counted(NamedTuple):
    hour: datetime
    outcome: str
    calls: int


class Story(NamedTuple):
    """A key's own times. Requests are allowed from `born` to `used`, except during `pauses`, and rejected from `ended`
    on. At `misses`, the other address tried a key that it may not use.
    """

    key: ApiKey
    use: SampleUse
    born: datetime
    used: datetime
    ended: datetime | None
    pauses: tuple[datetime, ...]
    misses: tuple[datetime, ...]
    address: str
    other_address: str


def _noise(*what: object) -> float:
    """A number from 0 to 1 that depends only on the arguments."""
    return zlib.crc32(repr(what).encode()) / 2**32


def _hours(first: datetime, last: datetime) -> Iterator[datetime]:
    hour = first.replace(minute=0, second=0, microsecond=0)
    while hour <= last:
        yield hour
        hour += HOUR


def _part(hour: datetime, first: datetime, last: datetime) -> float:
    """The part of the hour that lies between the two times."""
    return max(0.0, (min(hour + HOUR, last) - max(hour, first)) / HOUR)


def counted(story: Story, now: datetime) -> Iterator[Counted]:
    name, use = story.key.name, story.use
    life = max((now - story.born) / HOUR, 1)
    for hour in _hours(story.born, story.used):
        grown = 1 + (use.growth - 1) * ((hour - story.born) / HOUR / life)
        expected = use.calls * grown * use.rhythm.share(hour) * (0.8 + 0.4 * _noise(name, hour))
        calls = int(expected * _part(hour, story.born, story.used) + _noise(name, "rest", hour))
        if hour + HOUR > story.used:
            calls = max(calls, 1)  # the last use, which the key's row names
        if calls:
            yield Counted(hour, LET_IN, calls)
    for pause in story.pauses:
        hour = next(_hours(pause, pause))
        yield Counted(hour, KEY_PAUSED.outcome, max(3, int(use.calls * use.rhythm.share(hour) * 0.3)))
    for miss in story.misses:
        yield Counted(next(_hours(miss, miss)), ADDRESS_REFUSED.outcome, 4)
    if story.ended and use.retries:
        for hour in _hours(story.ended + HOUR, now - HOUR):
            noise = _noise(name, "retries", hour)
            retries = int(use.retries * use.rhythm.share(hour) * (0.8 + 0.4 * noise) + 0.9 * noise)
            if retries:
                yield Counted(hour, story.key.standing.outcome, retries)


def write_use(stories: Iterable[Story], now: datetime) -> None:
    """Writes hours as far back as they are kept, days for a key's whole life, and the figures of the key's own row."""
    rows: list[KeyUse] = []
    keys: list[ApiKey] = []
    stories = list(stories)
    for story in stories:
        found = list(counted(story, now))
        rows += _rows(story, found, now)
        keys.append(_refusals_told(story, found))
    KeyUse.objects.bulk_create(rows, batch_size=1_000)
    ProjectUse.objects.bulk_create(_project_rows(rows))
    KeyCaller.objects.bulk_create(_caller_rows(stories, rows, now))
    ApiKey.objects.bulk_update(keys, ["refused_calls", "last_refused_at", "last_refused_address"])


def _rows(story: Story, found: list[Counted], now: datetime) -> Iterator[KeyUse]:
    last: dict[tuple[Span, datetime, str], Counted] = {}
    sums: dict[tuple[Span, datetime, str], int] = defaultdict(int)
    for each in found:
        if each.hour > now - HOURS_KEPT:
            yield _row(story, Span.HOUR, each.hour, each, each.calls)
        day = each.hour.replace(hour=0)
        for span, start in ((Span.DAY, day), (Span.MONTH, day.replace(day=1))):
            place = span, start, each.outcome
            sums[place] += each.calls
            last[place] = max(each, last.get(place, each))
    for (span, start, outcome), latest in last.items():
        yield _row(story, span, start, latest, sums[span, start, outcome])


def _caller_rows(stories: list[Story], rows: list[KeyUse], now: datetime) -> list[KeyCaller]:
    """The addresses of each day for as long as they are stored, and those that missed a key in its rehearsal."""
    days: dict[tuple[int, datetime, str], KeyCaller] = {}
    for row in rows:
        if row.span != Span.DAY or row.starts_at <= now - timedelta(days=days_kept()):
            continue
        address = row.last_address or ""
        new = KeyCaller(key=row.key, span=CallerSpan.DAY, starts_at=row.starts_at, address=address)
        new.first_at = new.last_at = row.last_at
        caller = days.setdefault((row.key.pk, row.starts_at, address), new)
        caller.first_at, caller.last_at = min(row.last_at, caller.first_at), max(row.last_at, caller.last_at)
        if row.outcome == LET_IN:
            caller.allowed += row.calls
        else:
            caller.rejected += row.calls
    return [*days.values(), *(_rehearsal_rows(stories) if days_kept() else ())]


def _rehearsal_rows(stories: list[Story]) -> Iterator[KeyCaller]:
    for story in stories:
        began = story.key.rehearsal_began_at
        if began is None:
            continue
        for address, calls in ((story.address, 2), (story.other_address, 1)):
            row = KeyCaller(key=story.key, span=CallerSpan.REHEARSAL, starts_at=began, address=address, rejected=calls)
            row.first_at, row.last_at = began + MINUTE, began + 4 * MINUTE
            yield row


def _project_rows(rows: list[KeyUse]) -> list[ProjectUse]:
    sums: dict[tuple[Project, datetime, str], int] = defaultdict(int)
    for row in rows:
        if row.span == Span.DAY:
            sums[row.key.project, row.starts_at, row.outcome] += row.calls
    return [
        ProjectUse(project=project, starts_at=day, outcome=outcome, calls=calls)
        for (project, day, outcome), calls in sums.items()
    ]


def _last_at(story: Story, each: Counted) -> datetime:
    last = each.hour + timedelta(minutes=51 + 8 * _noise(story.key.name, each.hour))
    if each.outcome != LET_IN:
        return last
    return story.used if each.hour + HOUR > story.used else max(last, story.born)


def _address_of(story: Story, each: Counted) -> str:
    return story.other_address if each.outcome == ADDRESS_REFUSED.outcome else story.address


def _row(story: Story, span: Span, starts_at: datetime, last: Counted, calls: int) -> KeyUse:
    return KeyUse(
        key=story.key,
        span=span,
        starts_at=starts_at,
        outcome=last.outcome,
        calls=calls,
        last_at=_last_at(story, last),
        last_address=_address_of(story, last),
    )


def _refusals_told(story: Story, found: list[Counted]) -> ApiKey:
    """The key's row as counting would leave it, with the rejections since it was paused or deleted."""
    since = story.ended or max(story.pauses, default=None) or min(story.misses, default=None)
    refused = [each for each in found if each.outcome != LET_IN and since and each.hour + HOUR > since]
    if refused:
        story.key.refused_calls = sum(each.calls for each in refused)
        story.key.last_refused_at = _last_at(story, max(refused))
        story.key.last_refused_address = _address_of(story, max(refused))
    return story.key
