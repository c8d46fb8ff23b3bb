"""Keys that are being rolled, for the panel that shows both keys of a roll."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils import timezone

from apikeys.lifetimes.quiet import Quiet, quiet_of
from apikeys.models import ApiKey
from apikeys.pages import charts, usage_charts
from apikeys.pages.charts import Chart, Label, Slot
from apikeys.usage.callers import Caller, Callers, used_since
from apikeys.usage.figures import Bucket, Calls, Period, starts, use_of
from common.plurals import counted
from projects.models import Project

# The page of each key has the panel, so the list needs only the newest ones.
PANELS_SHOWN = 3
# A key that had a request in this time is still in use, for the words of the panel.
IN_USE = timedelta(hours=1)
CALLERS_SHOWN = 3


class RollChart(NamedTuple):
    """The requests with both keys in the last 24 hours: those with the old key stand on those with the new key."""

    chart: Chart
    slots: list[Slot]
    labels: list[Label]
    summary: str


class Roll(NamedTuple):
    old: ApiKey
    new: ApiKey
    quiet: Quiet
    chart: RollChart | None  # None without requests
    callers: Callers  # of the old key in the last 24 hours, but after the roll
    counted_from: datetime

    @property
    def is_in_use(self) -> bool:
        """Whether a program used the old key in the last hour, after the roll."""
        return self.quiet.since > max(self.new.created_at, timezone.now() - IN_USE)

    @property
    def is_unused(self) -> bool:
        """Whether no request with the old key came after the roll."""
        return self.quiet.since <= self.new.created_at

    @property
    def shown(self) -> list[Caller]:
        """The addresses that used the old key last."""
        return self.callers.rows[:CALLERS_SHOWN] or self.callers.all

    @property
    def more(self) -> int:
        """How many further addresses are stored."""
        return len(self.callers.rows) - len(self.shown) if self.callers.rows else 0

    @property
    def quiet_time(self) -> str:
        """The time without requests after which the old key is quiet."""
        hours = ceil(self.quiet.after / timedelta(hours=1))
        return counted(hours, "hour") if hours <= 48 else counted(ceil(hours / 24), "day")


def rolls_context(project: Project, key: ApiKey | None = None) -> dict[str, Any]:
    """The rolls of a project, the newest first, or those that the key takes part in. The number of queries does not
    depend on the number of keys.
    """
    living = project.api_keys.not_ended()
    new = living.filter(replaces__in=living).select_related("responsible", "replaces__responsible")
    if key:
        new = new.filter(Q(pk=key.pk) | Q(replaces=key.pk))
    found = list(new.order_by("-created_at", "-pk")[: PANELS_SHOWN + 1])
    return {"rolls": _rolls(found[:PANELS_SHOWN]), "more_rolls": len(found) > PANELS_SHOWN}


def _rolls(new: Sequence[ApiKey]) -> list[Roll]:
    pairs = [(key.replaces, key) for key in new if key.replaces]
    if not pairs:
        return []
    quiet = quiet_of([old for old, _ in pairs])
    calls = _calls([key for pair in pairs for key in pair])
    yesterday = timezone.now() - timedelta(days=1)
    since = {old.pk: max(key.created_at, yesterday) for old, key in pairs}
    callers = used_since(since)
    return [
        Roll(old, key, quiet[old.pk], _chart(calls[key.pk], calls[old.pk]), callers[old.pk], since[old.pk])
        for old, key in pairs
    ]


def _calls(keys: Sequence[ApiKey]) -> dict[int, dict[datetime, int]]:
    """The requests of each key in each of the last 24 hours that had any."""
    found: dict[int, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for key_pk, starts_at, calls in use_of(keys, Period.DAY).values_list("key_id", "starts_at", "calls"):
        found[key_pk][starts_at] += calls
    return found


def _chart(new: dict[datetime, int], old: dict[datetime, int]) -> RollChart | None:
    if not (new or old):
        return None
    hours = starts(Period.DAY)
    lower, upper = [new.get(hour, 0) for hour in hours], [old.get(hour, 0) for hour in hours]
    slots = [
        Slot(place * charts.SLOT, f"{usage_charts.when(hour, Period.DAY)}: {_in_words(lower[place], upper[place])}")
        for place, hour in enumerate(hours)
    ]
    labels = usage_charts.labels([Bucket(hour, Calls()) for hour in hours], Period.DAY)
    summary = f"Requests per hour over the last 24 hours: {_in_words(sum(lower), sum(upper))}."
    return RollChart(charts.stacked(lower, upper), slots, labels, summary)


def _in_words(new: int, old: int) -> str:
    return f"{new:,} with the new key, {old:,} with the old key"
