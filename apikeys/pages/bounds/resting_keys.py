"""Keys with what is used of their limits, for pages. A key whose quota is used up rests until the quota starts anew."""

from collections.abc import Iterable

from apikeys.limits.resting import budgets_of
from apikeys.models import ApiKey


def with_budgets(keys: Iterable[ApiKey]) -> list[ApiKey]:
    """The keys with their `budgets`. This is a query only if a key has a limit."""
    keys = list(keys)
    found = budgets_of(keys)
    for key in keys:
        key.budgets = found[key.pk]
    return keys


def rests_now(key: ApiKey) -> str:
    """A sentence if the key's quota is used up already, for the announcement of a new quota; else nothing."""
    quota = with_budgets([key])[0].resting_quota
    return f" {quota.resting_in_words}." if quota else ""
