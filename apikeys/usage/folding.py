"""Folds hours into days. Every request is counted in its day too, so folding only deletes old hours."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.usage.models import KeyUse, Span, UnmatchedUse

HOURS_KEPT = timedelta(days=90)
# Requests that matched no key have no days. They are kept longer than a season, because somebody may investigate
# guessing.
UNMATCHED_KEPT = timedelta(days=365)
# With a daily run, a statement deletes a day's hours of so many keys, some 1,200 rows, each found by the primary key.
KEYS_A_STATEMENT = 50


class Folded(NamedTuple):
    """How many rows were deleted: hours of keys, and hours of requests that matched no key."""

    hours: int
    unmatched_hours: int


def fold_hours() -> Folded:
    """Every statement is independent: after a kill, the next run does the rest."""
    steps = list(fold_in_steps(timezone.now()))
    return Folded(sum(step.hours for step in steps), sum(step.unmatched_hours for step in steps))


def fold_in_steps(now: datetime) -> Iterator[Folded]:
    """Deletes the old hours of a few keys at each step, and of requests that matched no key at the last one."""
    before, last_pk = now - HOURS_KEPT, 0
    while pks := list(
        ApiKey.objects.filter(pk__gt=last_pk).order_by("pk").values_list("pk", flat=True)[:KEYS_A_STATEMENT]
    ):
        # A list of keys, because a range of keys would also read the days and the young hours between them.
        old = KeyUse.objects.filter(key__in=pks, span=Span.HOUR, starts_at__lt=before)
        yield Folded(old.delete()[0], 0)
        last_pk = pks[-1]
    unmatched, _ = UnmatchedUse.objects.filter(starts_at__lt=now - UNMATCHED_KEPT).delete()
    yield Folded(0, unmatched)
