"""Folds hours into days. Every call is counted in its day too, so all there is to do is to forget old hours."""

from datetime import timedelta
from typing import NamedTuple

from django.utils import timezone

from apikeys.models import ApiKey, KeyUse, Span, UnmatchedUse

HOURS_KEPT = timedelta(days=90)
# Calls that matched no key have no days to be folded into; guessing is looked into for longer than a season.
UNMATCHED_KEPT = timedelta(days=365)
# Run daily, a statement deletes a day's hours of so many keys, 1,200 rows or so, each found by the primary key.
KEYS_A_STATEMENT = 50


class Folded(NamedTuple):
    """How many rows are gone: hours of keys, and hours of calls that matched none."""

    hours: int
    unmatched_hours: int


def fold_hours() -> Folded:
    """Every statement stands alone: killed halfway, the next run does the rest."""
    now = timezone.now()
    before, hours, last_pk = now - HOURS_KEPT, 0, 0
    while pks := list(
        ApiKey.objects.filter(pk__gt=last_pk).order_by("pk").values_list("pk", flat=True)[:KEYS_A_STATEMENT]
    ):
        # A list of keys, for "from this key to that" would read the days and the young hours between them too.
        old = KeyUse.objects.filter(key__in=pks, span=Span.HOUR, starts_at__lt=before)
        hours += old.delete()[0]
        last_pk = pks[-1]
    unmatched, _ = UnmatchedUse.objects.filter(starts_at__lt=now - UNMATCHED_KEPT).delete()
    return Folded(hours, unmatched)
