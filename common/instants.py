"""Instants in words."""

from datetime import UTC, datetime, timedelta

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def in_words(at: datetime) -> str:
    """Such as "26 February 2027, 09:30 UTC"."""
    return f"{at.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def in_words_or_never(at: datetime | None) -> str:
    return in_words(at) if at else "never"


def briefly(at: datetime) -> str:
    """Such as "26 Feb 2027 at 09:30 UTC"."""
    return f"{at.astimezone(UTC):%-d %b %Y at %H:%M} UTC"


def stops_working(at: datetime, now: datetime) -> str:
    """What an end means: "Stops working on 26 Feb 2027 at 09:30 UTC, in 90 days"."""
    return f"Stops working on {briefly(at)}, {time_left(at - now)}"


def time_left(left: timedelta) -> str:
    """How far ahead something is, rounded: "in 90 days", "in 26 hours", "in 1 minute". ends.js says the same."""
    if left < _MINUTE:
        return "in less than a minute"
    # A unit is used up to twice the next larger one, as in "in 90 minutes".
    for unit, noun, most in ((_MINUTE, "minute", 2 * _HOUR), (_HOUR, "hour", 2 * _DAY)):
        if left < most:
            return _counted(round(left / unit), noun)
    return _counted(round(left / _DAY), "day")


def _counted(number: int, noun: str) -> str:
    return f"in {number:,} {noun}{'' if number == 1 else 's'}"
