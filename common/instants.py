"""Instants in words."""

import math
from datetime import UTC, datetime, timedelta

from common.plurals import counted

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def in_words(at: datetime) -> str:
    """Such as "26 February 2027, 09:30 UTC"."""
    return f"{at.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def read_words(words: str) -> datetime:
    """The instant that `in_words` wrote. Raises ValueError for other words."""
    return datetime.strptime(words, "%d %B %Y, %H:%M UTC").replace(tzinfo=UTC)


def in_words_or_never(at: datetime | None) -> str:
    return in_words(at) if at else "never"


def expires_on(at: datetime, now: datetime) -> str:
    """What an expiry means: "Expires on 26 February 2027, 09:30 UTC (in 90 days)"."""
    return f"Expires on {in_words(at)} ({time_left(at - now)})"


def time_left(left: timedelta) -> str:
    """How far ahead something is, rounded up: "in 90 days", "in 48 hours", "in 5 minutes". times.js says the same."""
    if left < _MINUTE:
        return "in less than a minute"
    for unit, noun, most in ((_MINUTE, "minute", 2 * _HOUR), (_HOUR, "hour", 3 * _DAY)):
        if left <= most - unit:
            return f"in {counted(math.ceil(left / unit), noun)}"
    return f"in {counted(math.ceil(left / _DAY), 'day')}"
