"""The limits of a key and of its project, at the check: whether they allow a request, and the fields that tell of them.

The fields are those of draft-ietf-httpapi-ratelimit-headers: RateLimit-Policy says what the limits are, RateLimit what
is left of each.
"""

from collections.abc import Sequence
from typing import NamedTuple

from apikeys.bounds import in_words
from apikeys.bounds.restrictions import LimitKind, Limits
from apikeys.limits import blocks
from apikeys.limits.blocks import Budget, Taken
from apikeys.limits.models import NameOf, key_budget, project_budget
from apikeys.refusals import QUOTA_REACHED, RATE_LIMITED
from common.answers.refusals import Refusal

Headers = tuple[tuple[str, str], ...]

REFUSALS = {LimitKind.RATE: RATE_LIMITED, LimitKind.QUOTA: QUOTA_REACHED}


class Named(NamedTuple):
    """One limit with its row, its name in the fields, and whose it is in words."""

    budget: Budget
    label: str
    kind: LimitKind
    whose: str


class Outcome(NamedTuple):
    """Whether the limits allow a request. `headers` go with the answer in either case."""

    refusal: Refusal | None
    message: str
    headers: Headers


def limits_of(key_pk: int, limits: Limits, project_pk: int, shared: Limits) -> tuple[Named, ...]:
    """All limits of a key: its own, then those that it shares with the other keys of its project."""
    own = _named(key_budget, key_pk, limits, "", "this API key")
    return (*own, *_named(project_budget, project_pk, shared, "project-", "the project of this API key"))


def _named(name_of: NameOf, pk: int, limits: Limits, prefix: str, whose: str) -> list[Named]:
    return [
        Named(Budget(name_of(pk, kind, limit), limit), f"{prefix}{kind}", LimitKind(kind), whose)
        for kind, limit in limits._asdict().items()
        if limit
    ]


def smallest(limits: Sequence[Named]) -> int | None:
    """What a request may cost at most. None without limits."""
    return min((named.budget.limit.amount for named in limits), default=None)


def take(limits: Sequence[Named], cost: int) -> Outcome:
    """Counts a request of that cost in all of the limits, or in none of them. A cost of 0 is always allowed.

    Raises Django's database errors; then nobody may be let in.
    """
    if cost == 0:
        return Outcome(None, "", ())
    if held := blocks.take_from_memory([named.budget for named in limits], cost):
        return Outcome(None, "", _fields(list(zip(limits, held, strict=True))))
    return _take_one_by_one(limits, cost)


def _take_one_by_one(limits: Sequence[Named], cost: int) -> Outcome:
    taken: list[tuple[Named, Taken]] = []
    try:
        for named in limits:
            got = blocks.take(named.budget, cost)
            if not got.is_allowed:
                _take_back(taken, cost)
                return _refused(named, got)
            taken.append((named, got))
    except Exception:
        _take_back(taken, cost)
        raise
    return Outcome(None, "", _fields(taken))


def _take_back(taken: list[tuple[Named, Taken]], cost: int) -> None:
    for named, got in taken:
        blocks.take_back(named.budget, cost, got)


def _refused(named: Named, got: Taken) -> Outcome:
    limit = named.budget.limit
    what = "rate limit" if named.kind == LimitKind.RATE else "quota"
    state = "has too little left for this request" if got.left else "is used up"
    message = f"The {what} of {named.whose} {state}: {in_words.limit(limit)}. Try again in {got.seconds:,} seconds."
    headers = (("Retry-After", str(got.seconds)), *_fields([(named, got)]))
    return Outcome(REFUSALS[named.kind], message, headers)


def _fields(taken: list[tuple[Named, Taken]]) -> Headers:
    policies = ", ".join([f'"{named.label}";q={named.budget.limit.amount};w={got.length}' for named, got in taken])
    states = ", ".join([f'"{named.label}";r={got.left};t={got.seconds}' for named, got in taken])
    return (("RateLimit-Policy", policies), ("RateLimit", states))
