"""What restricts a key, as one column of its row says it. Pure: no database, request or clock."""

import json
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from apikeys.bounds import networks as of_networks
from apikeys.bounds.scopes import NAME as SCOPE

READ = "read"
# A column of the database holds numbers up to 2^63, and a sum of two of these must fit too.
MOST_AMOUNT = 10**15


class Window(StrEnum):
    """The length of a limit's windows. They are aligned to UTC."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class LimitKind(StrEnum):
    RATE = "rate"
    QUOTA = "quota"


WINDOWS_OF = {
    LimitKind.RATE: (Window.SECOND, Window.MINUTE, Window.HOUR),
    LimitKind.QUOTA: (Window.DAY, Window.MONTH),
}


class Limit(NamedTuple):
    """So many requests a window, such as 100 a minute."""

    amount: int
    window: Window

    def __str__(self) -> str:
        return f"{self.amount}/{self.window}"


class Limits(NamedTuple):
    rate: Limit | None = None
    quota: Limit | None = None


class Restrictions(NamedTuple):
    """`scopes` are the chosen ones in the order of their names; None for full access and for read only.

    `networks` are as `networks.read` writes them; none means any address.
    """

    read_only: bool = False
    scopes: tuple[str, ...] | None = None
    networks: tuple[str, ...] = ()
    limits: Limits = Limits()


NO_LIMITS = Limits()
UNRESTRICTED = Restrictions()


def gives_more(before: Restrictions, after: Restrictions) -> bool:
    """Whether a key may do something after the change that it may not do before."""
    return (
        _more_access(before, after)
        or not of_networks.cover(before.networks, after.networks)
        or any(_more_requests(old, new) for old, new in zip(before.limits, after.limits, strict=True))
    )


def _more_access(before: Restrictions, after: Restrictions) -> bool:
    """Read only and chosen scopes do not compare: one has every scope, the other every method."""
    if before.read_only or after.read_only:
        return not after.read_only if before.read_only else before.scopes is not None
    if before.scopes is None or after.scopes is None:
        return before.scopes is not None
    return not set(after.scopes) <= set(before.scopes)


def _more_requests(before: Limit | None, after: Limit | None) -> bool:
    """A limit with another window begins with nothing used, so it gives more, whatever its number."""
    if before is None or after is None:
        return before is not None
    return after.window != before.window or after.amount > before.amount


class Unreadable(ValueError):
    """The column holds something that this release does not know. Nobody is let in by it."""


def column_of(restrictions: Restrictions) -> dict[str, Any] | None:
    """The value of the column `restrictions`; None for a key without restrictions."""
    column: dict[str, Any] = column_of_limits(restrictions.limits) or {}
    if restrictions.read_only:
        column["access"] = READ
    elif restrictions.scopes is not None:
        column["access"] = list(restrictions.scopes)
    if restrictions.networks:
        column["networks"] = list(restrictions.networks)
    return column or None


def written(restrictions: Restrictions) -> str:
    """What a form says of the restrictions that its page showed. `read_text` reads it."""
    return json.dumps(column_of(restrictions) or {})


def column_of_limits(limits: Limits) -> dict[str, Any] | None:
    """The value of a project's column `limits`."""
    return {kind: [limit.amount, limit.window] for kind, limit in limits._asdict().items() if limit} or None


def read(column: dict[str, Any] | None) -> Restrictions:
    """What the column says. Raises Unreadable."""
    return read_text(json.dumps(column)) if column else UNRESTRICTED


def read_limits(column: dict[str, Any] | None) -> Limits:
    """What a project's column says. Raises Unreadable."""
    return read_text(json.dumps(column)).limits if column else NO_LIMITS


@lru_cache(maxsize=4096)
def read_text(text: str) -> Restrictions:
    """What the column's JSON says, kept, because the check reads the same texts again and again. Raises Unreadable."""
    try:
        return _read(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unreadable(text) from error


def _read(column: dict[str, Any]) -> Restrictions:
    if unknown := column.keys() - {"access", "networks", *LimitKind}:
        raise Unreadable(unknown)
    access = column.get("access")
    limits = Limits(**{kind: _read_limit(kind, column[kind]) for kind in LimitKind if kind in column})
    networks = tuple(column.get("networks", ()))
    if not all(str(of_networks.parsed(each)) == each for each in networks):
        raise Unreadable(networks)
    if access is None or access == READ:
        return Restrictions(access == READ, None, networks, limits)
    if not isinstance(access, list) or not all(SCOPE.fullmatch(scope) for scope in access):
        raise Unreadable(access)
    return Restrictions(False, tuple(access), networks, limits)


def _read_limit(kind: LimitKind, given: list[Any]) -> Limit:
    amount, window = given
    if type(amount) is not int or not 1 <= amount <= MOST_AMOUNT or window not in WINDOWS_OF[kind]:
        raise Unreadable(given)
    return Limit(amount, Window(window))
