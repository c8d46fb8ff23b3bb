"""What is used up of limits, for pages: one query for any number of keys. The check itself never reads it.

`used` counts what requests have used, and for about a second also what processes have reserved and not used yet.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from django.utils import timezone

from apikeys.bounds.restrictions import NO_LIMITS, Limit, Limits, Unreadable, Window, read_limits
from apikeys.limits.models import Budget, NameOf, key_budget, project_budget
from apikeys.limits.reserving import ends_of, starts_of
from apikeys.models import ApiKey
from common.instants import in_words
from projects.models import Project

_THIS = {Window.DAY: "today"}


class Used(NamedTuple):
    """How much of a limit is used in its window, which ends at `ends_at`."""

    limit: Limit
    used: int
    ends_at: datetime

    @property
    def is_spent(self) -> bool:
        """Whether requests are rejected until the window ends."""
        return self.used >= self.limit.amount

    @property
    def in_words(self) -> str:
        """Such as "8,000 of 10,000 requests this month"."""
        window = _THIS.get(self.limit.window, f"this {self.limit.window}")
        return f"{self.used:,} of {self.limit.amount:,} requests {window}"

    @property
    def resting_in_words(self) -> str:
        """Such as "Resting until 1 December 2026, 00:00 UTC: 10,000 of 10,000 requests this month"."""
        return f"Resting until {in_words(self.ends_at)}: {self.in_words}"


class KeyBudgets(NamedTuple):
    """What is used of each limit of a key or of a project. None for a limit that it does not have."""

    rate: Used | None = None
    quota: Used | None = None

    @property
    def resting(self) -> Used | None:
        """The limit that rejects requests the longest; None if requests are allowed."""
        return max((used for used in self if used and used.is_spent), key=lambda used: used.ends_at, default=None)


def budgets_of(keys: Iterable[ApiKey]) -> dict[int, KeyBudgets]:
    """What is used of the keys' limits, by the key's primary key: one query, and none if no key has a limit."""
    return _budgets({key.pk: (key_budget, _limits_of(key)) for key in keys})


def budgets_of_project(project: Project) -> KeyBudgets:
    """What is used of the limits that the keys of a project share."""
    try:
        limits = read_limits(project.limits)
    except Unreadable:
        limits = NO_LIMITS
    return _budgets({project.pk: (project_budget, limits)})[project.pk]


def _limits_of(key: ApiKey) -> Limits:
    try:
        return key.bounds.limits
    except Unreadable:  # nobody is let in by such a key, so nothing is used
        return NO_LIMITS


def _budgets(owners: dict[int, tuple[NameOf, Limits]]) -> dict[int, KeyBudgets]:
    named = {
        pk: {kind: (name_of(pk, kind, limit), limit) for kind, limit in limits._asdict().items() if limit}
        for pk, (name_of, limits) in owners.items()
    }
    names = [name for of_owner in named.values() for name, _ in of_owner.values()]
    rows = Budget.objects.in_bulk(names) if names else {}
    now = timezone.now()
    return {
        pk: KeyBudgets(**{kind: _used(rows.get(name), limit, now) for kind, (name, limit) in of_owner.items()})
        for pk, of_owner in named.items()
    }


def _used(row: Budget | None, limit: Limit, now: datetime) -> Used:
    """A row whose window has ended says nothing any more. One that is ahead of the clock still counts."""
    if row and (ends := ends_of(row.starts, limit.window)) > now.timestamp():
        return Used(limit, row.used, datetime.fromtimestamp(ends, UTC))
    ends = ends_of(starts_of(now, limit.window), limit.window)
    return Used(limit, 0, datetime.fromtimestamp(ends, UTC))
