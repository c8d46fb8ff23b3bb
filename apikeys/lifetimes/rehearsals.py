"""Rehearsals: pauses of at most an hour, which show who would miss a key before somebody deletes it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.usage.caller_bounds import days_kept
from apikeys.usage.callers import REHEARSALS_KEPT, Caller, Callers, missed_by_key

# Rows of keys tell of a rehearsal for so long after its end.
TOLD_FOR = timedelta(days=1)


class Rehearsal(NamedTuple):
    """`ended_at` is None while it goes on. `missed` are the requests that were rejected in it."""

    ended_at: datetime | None
    missed: Callers

    @property
    def goes_on(self) -> bool:
        return self.ended_at is None

    @property
    def most(self) -> list[Caller]:
        """The addresses, the busiest first."""
        return sorted(self.missed.rows, key=lambda caller: (-caller.rejected, caller.address))


def with_rehearsals(keys: Iterable[ApiKey], *, older: bool = False) -> list[ApiKey]:
    """The keys with the `rehearsal` that goes on or ended in the last day; with `older`, the last that is stored.

    This is a query only if a key had such a rehearsal.
    """
    now, keys = timezone.now(), list(keys)
    told = _is_stored if older else _is_recent
    missed = missed_by_key(key for key in keys if key.rehearsal_began_at and told(key, now))
    for key in keys:
        if key.pk in missed:
            key.rehearsal = Rehearsal(_end(key), missed[key.pk])
    return keys


def _is_recent(key: ApiKey, now: datetime) -> bool:
    ended_at = _end(key)
    return ended_at is None or ended_at > now - TOLD_FOR


def _is_stored(key: ApiKey, now: datetime) -> bool:
    """Whether `forget_old_callers` has left the rehearsal's counts."""
    kept = max(timedelta(days=days_kept()), REHEARSALS_KEPT)
    return key.rehearsal_began_at is not None and key.rehearsal_began_at > now - kept


def _end(key: ApiKey) -> datetime | None:
    """The end of the key's last rehearsal, also if nobody has written it down."""
    return key.rehearsal_ended_at or (None if key.is_paused else key.resumes_at)
