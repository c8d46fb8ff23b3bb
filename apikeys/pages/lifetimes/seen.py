"""What a form says of the key that its page showed, so that nobody undoes a change that they did not see.

A form of an older page may not say it. Then it means the key as it is.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from django.core.exceptions import ValidationError

from accounts.requests import PageRequest
from apikeys.keys.end_limits import read_local
from apikeys.standing import PauseReason

NEVER = "never"
# A pause that no key has.
_NO_PAUSE = datetime.min.replace(tzinfo=UTC)


def written(at: datetime | None) -> str:
    return at.isoformat() if at else NEVER


def read(text: str) -> datetime | None:
    """What `written` wrote. Raises ValidationError for another text."""
    return None if text == NEVER else read_local(text, "Z")


class SeenPause(NamedTuple):
    """Whether the page showed that the key was reported, and when the pause that it showed began."""

    reported: bool
    paused_at: datetime | None


def pause_seen(request: PageRequest) -> SeenPause:
    """The field `seen` of a button; Undo has it in its address. It is "reported@" and an instant for a report."""
    text = request.POST.get("seen") or request.GET.get("seen", "")
    reason, _, at = text.rpartition("@")
    reported = PauseReason.REPORTED in (text, reason)
    if text in ("", PauseReason.REPORTED):
        return SeenPause(reported, None)
    try:
        return SeenPause(reported, read(at) or _NO_PAUSE)
    except ValidationError:
        return SeenPause(reported, _NO_PAUSE)
