"""Keys with what is used of their limits, for pages. A key whose quota is used up rests until the quota starts anew."""

from collections.abc import Iterable

from apikeys.bounds.restrictions import Limits
from apikeys.limits.resting import budgets_of
from apikeys.models import ApiKey


def with_budgets(keys: Iterable[ApiKey]) -> list[ApiKey]:
    """The keys with their `budgets`. This is a query only if a key has a limit."""
    keys = list(keys)
    found = budgets_of(keys)
    for key in keys:
        key.budgets = found[key.pk]
    return keys


def quota_now(key: ApiKey, had: Limits) -> str:
    """A sentence for the announcement of new restrictions: what a new quota counts so far, or that it is used up."""
    with_budgets([key])
    if rests := key.resting_quota:
        return f" {rests.resting_in_words}."
    quota = key.budgets and key.budgets.quota
    if not quota or (had.quota and had.quota.window == quota.limit.window):
        return ""
    return f" So far, the new quota counts {quota.in_words}."
