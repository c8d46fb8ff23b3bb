"""Whether a key may do what a request asks: from its address, by its method, with its scopes. Pure.

The order is that of docs/api.md: address, then access. The first refusal decides. Limits come after it.
"""

from collections.abc import Container
from typing import NamedTuple

from apikeys.bounds import networks
from apikeys.bounds.restrictions import READ, Restrictions
from apikeys.refusals import ADDRESS_REFUSED, INSUFFICIENT_SCOPE, METHOD_UNKNOWN, READ_ONLY
from common.answers.refusals import Refusal

# RFC 9110, 9.2.1: the methods that change nothing. TRACE is one of them, and no API has it.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FULL = "*"


class Asked(NamedTuple):
    """What a request wants to do: its method, None if nobody can tell it; the scopes that it needs; what it costs."""

    method: str | None = None
    scopes: tuple[str, ...] = ()
    cost: int = 1


def refusal_of(
    restrictions: Restrictions, asked: Asked, address: str | None, defined: Container[str]
) -> tuple[Refusal, str] | None:
    """The refusal with its message ("" for the refusal's own), or None if the request may pass.

    `defined` are the scopes that the operator has defined. Only full access covers any other.
    """
    if restrictions.networks and not networks.allows(restrictions.networks, address):
        return ADDRESS_REFUSED, _of_an_address(address)
    if restrictions.read_only and asked.method not in SAFE_METHODS:
        return (READ_ONLY, "") if asked.method else (METHOD_UNKNOWN, "")
    # A call that needs no scope is open to every key, such as `/me`. X-Latchkey-Scopes tells what the key may do.
    if granted(restrictions) == FULL:
        return None
    if undefined := [scope for scope in asked.scopes if scope not in defined]:
        return INSUFFICIENT_SCOPE, _of_undefined(undefined[0])
    missing = [scope for scope in asked.scopes if not _has(restrictions, scope)]
    return (INSUFFICIENT_SCOPE, _of_scopes(missing)) if missing else None


def _has(restrictions: Restrictions, scope: str) -> bool:
    """Whether the key has a scope. A read-only key has all of them, because its method decides."""
    return restrictions.read_only or restrictions.scopes is None or scope in restrictions.scopes


def granted(restrictions: Restrictions) -> str:
    """The value of X-Latchkey-Scopes: names, separated by spaces; `*` for full access, `read` for read only."""
    if restrictions.read_only:
        return READ
    return FULL if restrictions.scopes is None else " ".join(restrictions.scopes)


def _of_an_address(address: str | None) -> str:
    if address is None:
        return ""
    return ADDRESS_REFUSED.message.replace("this address", address)


def _of_undefined(scope: str) -> str:
    return (
        f"This call needs the scope {scope}, which the operator of this API has not defined, so only keys with full "
        "access may make it."
    )


def _of_scopes(missing: list[str]) -> str:
    named = f"the scope {missing[0]}" if len(missing) == 1 else f"the scopes {', '.join(missing)}"
    return INSUFFICIENT_SCOPE.message.replace("a scope that this call needs", named)
