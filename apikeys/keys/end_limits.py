"""Which instants a key may end at, and a pause; and how people write them down."""

import re
from datetime import MINYEAR, UTC, datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from common.instants import in_words
from common.plurals import counted

MOST_DAYS = 3650
# The codes of the errors below, so that a form shows them beside the right field.
ABOUT_THE_END = {"in_the_past", "too_far_ahead", "end_required", "not_an_instant", "unknown_zone"}

# How people write an instant on the command line, and an end, for read_expires.
EXACT = "a time such as 2027-02-26T09:30:00Z or 2027-02-26T10:30:00+01:00"
WHEN = f"30d, {EXACT}, or never"

_DAYS = re.compile(r"([0-9]{1,6})d")
_ZONE = re.compile(r"Z|[+-](0[0-9]|1[0-4]):[0-5][0-9]")


def check_instant(at: datetime, now: datetime) -> None:
    """Raises ValidationError for an instant that is over, or more than MOST_DAYS ahead."""
    if at <= now:
        raise _in_the_past()
    if at > now + timedelta(days=MOST_DAYS):
        raise _too_far_ahead()


def check_end(at: datetime | None, *, created_at: datetime, had_end: bool = True) -> None:
    """Raises ValidationError for an end that a key created at `created_at` cannot have; None means never.

    MAX_KEY_DAYS makes an end compulsory and limits it. `had_end` is False for a key that has no end yet, because it is
    older than the setting: if its own limit is over, the limit counts from now.
    """
    now = timezone.now()
    if at is None:
        if settings.MAX_KEY_DAYS:
            raise ValidationError(
                f"Choose when the key expires: in at most {counted(settings.MAX_KEY_DAYS, 'day')}.",
                code="end_required",
            )
        return
    check_instant(at, now)
    latest = latest_end(created_at=created_at, had_end=had_end)
    if latest and at > latest:
        raise ValidationError(
            f"Keys of this server work for at most {counted(settings.MAX_KEY_DAYS, 'day')}. "
            + (f"Choose a time up to {in_words(latest)}." if latest > now else "Create a new key instead."),
            code="too_far_ahead",
        )


def latest_end(*, created_at: datetime, had_end: bool = True) -> datetime | None:
    """The latest end that MAX_KEY_DAYS allows a key; None without that setting."""
    if not settings.MAX_KEY_DAYS:
        return None
    longest, now = timedelta(days=settings.MAX_KEY_DAYS), timezone.now()
    latest = created_at + longest
    return latest if had_end or latest > now else now + longest


def in_days(days: int, since: datetime | None = None) -> datetime:
    """So many days ahead, at a whole minute, because words name no seconds; after `since` if that lies ahead."""
    now = timezone.now()
    if since and since > now:
        return since + timedelta(days=days)
    return (now + timedelta(days=days)).replace(second=0, microsecond=0)


def is_one_choice(one: datetime | None, other: datetime | None) -> bool:
    """Whether one form that is sent twice can choose both ends: `in_days` counts from the moment of each."""
    if one is None or other is None:
        return one == other
    return abs(one - other) <= timedelta(minutes=1)


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


def read_expires(text: str) -> datetime | None:
    """The instant of `30d`, or of ISO 8601 with an offset; None for `never`. Raises ValidationError."""
    if text == "never":
        return None
    if days := _DAYS.fullmatch(text):
        # More days than anything may have are rejected with the words of too many days.
        return in_days(min(int(days[1]), MOST_DAYS + 1))
    return read_exact(text, WHEN)


def read_exact(text: str, way: str = EXACT) -> datetime:
    """The instant of ISO 8601 with an offset. Raises ValidationError, which names `way`: how to write it."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValidationError(f"{text!r} is no time. Write {way}.", code="not_an_instant") from None
    if at.tzinfo is None:
        raise ValidationError(
            f"{text} has no time zone. Add Z for UTC, or an offset: {at.isoformat()}Z.", code="unknown_zone"
        )
    return _in_utc(at)


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValidationError("Choose a date and time.", code="not_an_instant") from None


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        # The first or the last day that a calendar of four digits has.
        raise (_in_the_past() if at.year == MINYEAR else _too_far_ahead()) from None


def _in_the_past() -> ValidationError:
    return ValidationError("This time is in the past. Choose a later one.", code="in_the_past")


def _too_far_ahead() -> ValidationError:
    return ValidationError(f"Choose a time in at most {MOST_DAYS:,} days.", code="too_far_ahead")
