"""The limits of a key and of its project, at the check: whether they allow a request, and the fields that tell of them.

The fields are those of draft-ietf-httpapi-ratelimit-headers: RateLimit-Policy says what the limits are, RateLimit what
is left of each.
"""

from typing import NamedTuple

from apikeys.bounds.restrictions import Limit, LimitKind, Limits
from apikeys.limits import blocks
from apikeys.limits.blocks import Budget, Taken
from apikeys.limits.models import NameOf, key_budget, project_budget
from apikeys.limits.reserving import ends_of
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


def of_key(key_pk: int, limits: Limits) -> list[Named]:
    return _named(key_budget, key_pk, limits, "", "this API key")


def of_project(project_pk: int, limits: Limits) -> list[Named]:
    return _named(project_budget, project_pk, limits, "project-", "the project of this API key")


def _named(name_of: NameOf, pk: int, limits: Limits, prefix: str, whose: str) -> list[Named]:
    return [
        Named(Budget(name_of(pk, kind, limit), limit), f"{prefix}{kind}", LimitKind(kind), whose)
        for kind, limit in limits._asdict().items()
        if limit
    ]


def smallest(limits: list[Named]) -> int:
    """What a request may cost at most."""
    return min(named.budget.limit.amount for named in limits)


def take(limits: list[Named], cost: int) -> Outcome:
    """Counts a request of that cost in all of the limits, or in none of them. A cost of 0 is always allowed.

    Raises Django's database errors; then nobody may be let in.
    """
    taken: list[tuple[Named, Taken]] = []
    if cost == 0:
        return Outcome(None, "", ())
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
    message = (
        f"The {what} of {named.whose} is used up: {limit.amount:,} requests a {limit.window}. "
        f"Try again in {got.seconds:,} seconds."
    )
    headers = (("Retry-After", str(got.seconds)), *_fields([(named, got)]))
    return Outcome(REFUSALS[named.kind], message, headers)


def _fields(taken: list[tuple[Named, Taken]]) -> Headers:
    policies = ", ".join(
        f'"{named.label}";q={named.budget.limit.amount};w={_length(named, got)}' for named, got in taken
    )
    states = ", ".join(f'"{named.label}";r={got.left};t={got.seconds}' for named, got in taken)
    return (("RateLimit-Policy", policies), ("RateLimit", states))


def _length(named: Named, got: Taken) -> int:
    return ends_of(got.starts, named.budget.limit.window) - got.starts


def limit_in_words(limit: Limit) -> str:
    """Such as "10,000 requests a month"."""
    return f"{limit.amount:,} requests a {limit.window}"
