"""Which of a key's requests of the last 30 days some restrictions would have rejected, as sentences.

Addresses and limits are compared with stored requests. What a request asked for (its method and scopes) is not stored.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Sum
from django.utils import timezone

from apikeys.bounds.networks import cover
from apikeys.bounds.restrictions import Limit, LimitKind, Restrictions, Unreadable, Window
from apikeys.models import ApiKey
from apikeys.refusals import LET_IN, QUOTA_REACHED, RATE_LIMITED
from apikeys.usage.caller_bounds import days_kept
from apikeys.usage.callers import Callers, day_of, used_from
from apikeys.usage.models import KeyUse, Span
from common.plurals import counted

DAYS = 30
# Requests that the key would have made without a limit: a limit rejected some of them.
_DEMANDED = (LET_IN, RATE_LIMITED.outcome, QUOTA_REACHED.outcome)
_IN_AN_HOUR = {Window.SECOND: 3600, Window.MINUTE: 60, Window.HOUR: 1}


class Sentence(NamedTuple):
    """What a part of the restrictions would have done. `rejects` is whether it would have rejected a request."""

    label: str
    text: str
    rejects: bool = False


def dry_run(key: ApiKey, restrictions: Restrictions) -> list[Sentence]:
    """A sentence for the networks and for each limit. It is empty for restrictions that have none of them."""
    found = []
    if restrictions.networks:
        found.append(_of_networks(key, restrictions.networks))
    if rate := restrictions.limits.rate:
        found.append(_of_rate(key, rate))
    if quota := restrictions.limits.quota:
        found.append(_of_quota(key, quota))
    return found


class Refused(NamedTuple):
    """The addresses with rejected requests that a key's networks do not hold. `seen` tells of these networks."""

    addresses: frozenset[str] = frozenset()
    seen: str = ""


def refused_addresses(key: ApiKey, callers: Callers) -> Refused:
    """None for a key without networks, and for a deleted key."""
    try:
        networks = key.bounds.networks
    except Unreadable:
        return Refused()
    if not networks or key.is_deleted:
        return Refused()
    refused = (each.address for each in callers.rows if each.rejected and not cover(networks, (each.address,)))
    return Refused(frozenset(refused), written(networks))


def written(networks: Iterable[str]) -> str:
    """What a form says of the networks that its page showed."""
    return " ".join(networks)


def _of_networks(key: ApiKey, networks: tuple[str, ...]) -> Sentence:
    days = min(DAYS, days_kept())
    if not days:
        text = "This server does not store from which addresses a key is used, so nothing can be compared."
        return Sentence("Addresses", text)
    callers = used_from(key, days=days)
    used = [caller for caller in callers.rows if caller.allowed]
    outside = [caller for caller in used if not cover(networks, (caller.address,))]
    rejected, requests = sum(caller.allowed for caller in outside), sum(caller.allowed for caller in used)
    text = f"{_would_have(rejected, requests, days)}, from {len(outside):,} of {counted(len(used), 'address')}."
    return Sentence("Addresses", f"{text}{_uncompared(callers)}" if used else _nothing(days), bool(outside))


def _uncompared(callers: Callers) -> str:
    if not (callers.others and callers.others.allowed):
        return ""
    return f" {counted(callers.others.allowed, 'more request')} came from addresses that were counted together."


def _of_rate(key: ApiKey, rate: Limit) -> Sentence:
    hours = _demand(key, Span.HOUR, _first_day())
    most = rate.amount * _IN_AN_HOUR[rate.window]
    rejected = sum(max(0, calls - most) for calls in hours.values())
    text = f"{_would_have(rejected, sum(hours.values()), DAYS)}"
    if rate.window != Window.HOUR:
        text += ", by the average of each hour. Bursts within an hour are not stored, and are rejected too"
    return Sentence("Rate limit", f"{text}." if hours else _nothing(DAYS), rejected > 0)


def _of_quota(key: ApiKey, quota: Limit) -> Sentence:
    """By days of UTC. A month begins before the last 30 days, and its first days use the quota up too."""
    first = _first_day()
    days = _demand(key, Span.DAY, first.replace(day=1) if quota.window == Window.MONTH else first)
    used: dict[tuple[int, ...], int] = defaultdict(int)
    rejected = requests = 0
    for day, calls in sorted(days.items()):
        window = (day.year, day.month) if quota.window == Window.MONTH else (day.year, day.month, day.day)
        over_before = max(0, used[window] - quota.amount)
        used[window] += calls
        if day >= first:
            requests += calls
            rejected += max(0, used[window] - quota.amount) - over_before
    text = f"{_would_have(rejected, requests, DAYS)}."
    return Sentence(LimitKind.QUOTA.capitalize(), text if requests else _nothing(DAYS), rejected > 0)


def _demand(key: ApiKey, span: Span, since: datetime) -> dict[datetime, int]:
    rows = KeyUse.objects.filter(key=key, span=span, starts_at__gte=since, outcome__in=_DEMANDED)
    return dict(rows.values_list("starts_at").annotate(sum=Sum("calls")))


def _first_day() -> datetime:
    return day_of(timezone.now()) - timedelta(days=DAYS - 1)


def _would_have(rejected: int, requests: int, days: int) -> str:
    return f"Would have rejected {rejected:,} of {counted(requests, 'request')} of the last {counted(days, 'day')}"


def _nothing(days: int) -> str:
    return f"There is nothing to compare with: no request was allowed in the last {counted(days, 'day')}."
