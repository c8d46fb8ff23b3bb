"""Two things that allauth's limits lack: how long to wait, and status 429 for everybody whom a limit stops."""

import time

from allauth.core.internal import ratelimit
from django.core.cache import cache
from django.http import HttpRequest

APP = "allauth.account"


def hold_up(request: HttpRequest, action: str, key: str | None = None) -> None:
    """Notes for `held_up_seconds` that this request hit the limit of `action`, a name in ACCOUNT_RATE_LIMITS.

    The last note counts.
    """
    request.held_up_seconds = _seconds_left(request, action, key)  # type: ignore[attr-defined]


def held_up_seconds(request: HttpRequest) -> int:
    """How long to wait until the request is allowed again; 0 for a request that hit no limit."""
    return int(getattr(request, "held_up_seconds", 0))


def _seconds_left(request: HttpRequest, action: str, key: str | None) -> int:
    """How long until each of the action's limits allows one more; the longest period if the key is unknown."""
    rates = ratelimit.get_rates(app=APP, action=action)
    if key is None:
        return max(int(rate.duration) for rate in rates)
    left = 1.0
    for rate in rates:
        times = cache.get(ratelimit.get_cache_key(request, app=APP, action=action, rate=rate, key=key), [])
        since = time.time() - rate.duration
        recent = [at for at in times if at > since]
        if len(recent) >= rate.amount:
            left = max(left, min(recent) - since)
    return int(left) + 1
