"""Two things that allauth's limits lack: how long to wait, and status 429 for everybody whom a limit stops."""

import time
from math import ceil

from django.http import HttpRequest

from accounts.allauth_internals import counted, noted_seconds, seconds_left
from common.plurals import counted as counted_noun

# The period of most limits, for a limit that did not note how long it lasts.
LIMIT_SECONDS = 60


def hold_up(request: HttpRequest) -> None:
    """Notes for `held_up_seconds` that a limit stopped this request."""
    request.held_up_seconds = seconds_until_allowed(request)  # type: ignore[attr-defined]


def held_up_seconds(request: HttpRequest) -> int:
    """How long to wait until the request is allowed again; 0 for a request that hit no limit."""
    return int(getattr(request, "held_up_seconds", 0))


def seconds_until_allowed(request: HttpRequest) -> int:
    """When the limit that this request hit last allows one more."""
    return noted_seconds(request) or LIMIT_SECONDS


def in_words(seconds: int) -> str:
    return counted_noun(seconds, "second") if seconds < 100 else counted_noun(ceil(seconds / 60), "minute")


def seconds_to_wait(request: HttpRequest, action: str, key: str) -> int:
    """How long to wait until the limit of `action` allows one more; 0 if it allows one now. Counts nothing."""
    now = time.time()
    return max(seconds_left(rate.times, rate.amount, rate.seconds, now) for rate in counted(request, action, key))
