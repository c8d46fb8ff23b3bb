"""Which process does the housekeeping: the one that holds the claim.

A claim is one conditional UPDATE, and ends by the database's clock. Its holder renews it while it works. After the
holder was killed, the claim ends, and any other process takes it.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import DateTimeField, Expression, ExpressionWrapper, Q
from django.db.models.functions import Now

from common.housekeeping.models import Claim

NAME = "housekeeping"
# How long a claim lasts, in multiples of HOUSEKEEPING_SECONDS.
TURNS_A_CLAIM = 3
# Longer than any claim lasts. A claim that ends later was taken while the database's clock was wrong.
LONGEST = timedelta(days=4)


def claim_length() -> timedelta:
    return timedelta(seconds=TURNS_A_CLAIM * settings.HOUSEKEEPING_SECONDS)


def hold(holder: str) -> datetime | None:
    """Takes or renews the claim. Returns the time by the database's clock, or None if another process has the claim."""
    if not _move_end(holder):
        if Claim.objects.filter(pk=NAME).exists():
            return None
        Claim.objects.bulk_create([Claim(name=NAME, ends_at=Now())], ignore_conflicts=True)
        if not _move_end(holder):
            return None
    ends_at = Claim.objects.filter(pk=NAME, holder=holder).values_list("ends_at", flat=True).first()
    return ends_at and ends_at - claim_length()


def _move_end(holder: str) -> int:
    is_over = Q(ends_at__lte=Now()) | Q(ends_at__gt=_ahead(LONGEST))
    free = Claim.objects.filter(Q(holder=holder) | is_over, pk=NAME)
    return free.update(holder=holder, ends_at=_ahead(claim_length()))


def _ahead(time: timedelta) -> Expression:
    return ExpressionWrapper(Now() + time, DateTimeField())


def give_back(holder: str) -> None:
    """Another process may take the claim at once."""
    Claim.objects.filter(pk=NAME, holder=holder).update(ends_at=Now())
