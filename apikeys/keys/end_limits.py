"""Which instants a key may end at, and a pause; and how people write them down."""

import re
from datetime import UTC, datetime, timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone

MOST_DAYS = 3650

_ZONE = re.compile(r"Z|[+-](0\d|1[0-4]):[0-5]\d")


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


def read_local(text: str, zone: str) -> datetime:
    """The instant of a date and time that has `zone` (such as +01:00; UTC if it is empty) unless it names another one.

    Raises ValidationError.
    """
    at = _parsed(text)
    if at.tzinfo is None:
        if zone and not _ZONE.fullmatch(zone):
            raise ValidationError(
                "This time zone is not known. Add one to the time, such as 2027-02-26T09:30Z.", code="unknown_zone"
            )
        at = _parsed(at.isoformat() + (zone or "Z"))
    return _in_utc(at)


def read_exact(text: str) -> datetime:
    """The instant of ISO 8601 with an offset. Raises ValidationError."""
    at = _parsed(text)
    if at.tzinfo is None:
        raise ValidationError(
            f"{text} has no time zone. Add Z for UTC, or an offset: {at.isoformat()}Z.", code="unknown_zone"
        )
    return _in_utc(at)


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValidationError(
            "Enter a date and time, such as 2027-02-26T09:30." if text else "Enter a date and time.",
            code="not_an_instant",
        ) from None


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        # The first or the last day that a calendar of four digits has.
        raise ValidationError(f"Choose a time in at most {MOST_DAYS:,} days.", code="too_far_ahead") from None
