"""Two things that allauth's limits lack: how long to wait, and status 429 for everybody whom a limit stops."""

import time

from django.http import HttpRequest

from accounts.allauth_internals import counted


def hold_up(request: HttpRequest, action: str, key: str | None = None) -> None:
    """Notes for `held_up_seconds` that this request hit the limit of `action`, a name in ACCOUNT_RATE_LIMITS.

    The last note counts.
    """
    request.held_up_seconds = _seconds_left(request, action, key)  # type: ignore[attr-defined]


def held_up_seconds(request: HttpRequest) -> int:
    """How long to wait until the request is allowed again; 0 for a request that hit no limit."""
    return int(getattr(request, "held_up_seconds", 0))


def seconds_to_wait(request: HttpRequest, action: str, key: str) -> int:
    """How long to wait until the limit of `action` allows one more; 0 if it allows one now. Counts nothing."""
    now = time.time()
    is_used_up = any(
        sum(at > now - rate.seconds for at in rate.times or ()) >= rate.amount for rate in counted(request, action, key)
    )
    return _seconds_left(request, action, key) if is_used_up else 0


def _seconds_left(request: HttpRequest, action: str, key: str | None) -> int:
    """How long until each of the action's limits allows one more; the longest period if the key is unknown."""
    rates = counted(request, action, key)
    left = 1.0
    for rate in rates:
        if rate.times is None:
            return max(rate.seconds for rate in rates)
        since = time.time() - rate.seconds
        recent = [at for at in rate.times if at > since]
        if len(recent) >= rate.amount:
            left = max(left, min(recent) - since)
    return int(left) + 1
