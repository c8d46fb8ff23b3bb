"""What a gateway asks of `/verify`: method, scopes and cost. The client behind the gateway never chooses one of them.

At `/verify` the gateway writes the query, and names the client's method in a header. Below `/verify/` path and query
are the client's, as Envoy passes them on: there the method is the request's own, and scope and cost are in headers that
the gateway sets (docs/gateways.md).
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from apikeys.bounds.asked import Asked
from apikeys.bounds.scopes import ScopesMalformed, asked_for
from common.whole_numbers import read_whole

MOST_COST = 1000
_MOST_FIELDS = 100
_METHOD = re.compile(r"[A-Za-z-]{1,32}")


class _Names(NamedTuple):
    """What the gateway calls scope and cost, for the words of an error."""

    scope: str
    cost: str


_PARAMETERS = _Names("scope", "cost")
_HEADERS = _Names("X-Latchkey-Require-Scope", "X-Latchkey-Cost")


_TWICE = "{} is given more than once. Give it once; scopes are separated by spaces."


class AskedMalformed(ValueError):
    """The gateway asks for something that cannot be understood; the text says what to correct."""


def at_verify(environ: Mapping[str, Any]) -> Asked:
    """Raises AskedMalformed."""
    query = environ.get("QUERY_STRING")
    given = _read_query(query) if query else {}
    return _asked(_method_of_client(environ), given.get("scope"), given.get("cost"), _PARAMETERS)


def below_verify(environ: Mapping[str, Any]) -> Asked:
    """Raises AskedMalformed."""
    scope, cost = environ.get("HTTP_X_LATCHKEY_REQUIRE_SCOPE"), environ.get("HTTP_X_LATCHKEY_COST")
    for name, value in zip(_HEADERS, (scope, cost), strict=True):
        # Servers join the values of a header that was sent twice by commas.
        if value and "," in value:
            raise AskedMalformed(_TWICE.format(name))
    return _asked(environ["REQUEST_METHOD"], scope, cost, _HEADERS)


def _read_query(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise AskedMalformed(f"The query has more than {_MOST_FIELDS} parameters.") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given and name in {"scope", "cost"}:
            raise AskedMalformed(_TWICE.format(name))
        given[name] = value
    return given


def _method_of_client(environ: Mapping[str, Any]) -> str | None:
    """None if the gateway names no method, or two different ones."""
    forwarded, original = environ.get("HTTP_X_FORWARDED_METHOD"), environ.get("HTTP_X_ORIGINAL_METHOD")
    method = original if forwarded is None else forwarded
    if method is None or original not in {None, method}:
        return None
    return method if _METHOD.fullmatch(method) else None


def _asked(method: str | None, scope: str | None, cost: str | None, names: _Names) -> Asked:
    if scope is None and cost is None:
        return Asked(method)
    scopes = () if scope is None else _scopes(scope, names.scope)
    return Asked(method, scopes, 1 if cost is None else _cost(cost, names.cost))


def _scopes(text: str, name: str) -> tuple[str, ...]:
    try:
        if scopes := asked_for(text):
            return scopes
    except ScopesMalformed:
        pass
    raise AskedMalformed(f"{name} must be names of scopes, separated by single spaces, such as files:read files:write.")


def _cost(text: str, name: str) -> int:
    cost = read_whole(text, MOST_COST)
    if cost is None:
        raise AskedMalformed(f"{name} must be a whole number from 0 to {MOST_COST:,}.")
    return cost
