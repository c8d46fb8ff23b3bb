"""Which instants a key may end at, and a pause."""

from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone

MOST_DAYS = 3650


def check_instant(at: datetime, now: datetime) -> None:
    """Raises ValidationError for an instant that is over, or more than MOST_DAYS ahead."""
    if at <= now:
        raise ValidationError("This time is in the past. Choose a later one.", code="in_the_past")
    if at > now + timedelta(days=MOST_DAYS):
        raise ValidationError(f"Choose a time in at most {MOST_DAYS:,} days.", code="too_far_ahead")


def check_end(at: datetime | None, *, created_at: datetime) -> None:
    """Raises ValidationError for an end that a key created at `created_at` cannot have; None means never."""
    if at:
        check_instant(at, timezone.now())
