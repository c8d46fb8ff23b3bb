"""Instants in words."""

from datetime import UTC, datetime


def in_words(at: datetime) -> str:
    """Such as "26 February 2027, 09:30 UTC"."""
    return f"{at.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def in_words_or_never(at: datetime | None) -> str:
    return in_words(at) if at else "never"
