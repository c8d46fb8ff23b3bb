"""The rules for what people may choose for a key. Each raises ValidationError, with a code that names the rule."""

import re

from django.core.exceptions import ValidationError

from apikeys.bounds.restrictions import (
    MOST_AMOUNT,
    UNRESTRICTED,
    WINDOWS_OF,
    Limit,
    LimitKind,
    Limits,
    Restrictions,
    Unreadable,
    Window,
    read_text,
)
from apikeys.bounds.scopes import MOST as MOST_SCOPES
from apikeys.bounds.scopes import vocabulary
from common.whole_numbers import read_whole

_GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3}){1,6}")
# The codes of errors by the field that they belong to.
OF_FIELDS = {
    "access": {"no_scopes", "too_many_scopes", "unknown_scope"},
    "networks": {"not_a_network", "too_many_networks"},
    "limits": {"not_a_limit"},
}


def check_restrictions(restrictions: Restrictions, had: Restrictions = UNRESTRICTED) -> None:
    """`had` is what the key has now: a scope that it has may stay when the operator defines it no more."""
    if restrictions.scopes is not None:
        _check_scopes(restrictions.scopes, had.scopes or ())
    check_limits(restrictions.limits)


def _check_scopes(scopes: tuple[str, ...], kept: tuple[str, ...]) -> None:
    if not scopes:
        raise ValidationError("Choose at least one scope.", code="no_scopes")
    if len(scopes) > MOST_SCOPES:
        raise ValidationError(f"Choose at most {MOST_SCOPES} scopes.", code="too_many_scopes")
    if unknown := [scope for scope in scopes if scope not in vocabulary() and scope not in kept]:
        known = ", ".join(vocabulary()) or "none"
        raise ValidationError(f"There is no scope {unknown[0][:64]!r}. The scopes are: {known}.", code="unknown_scope")


def check_limits(limits: Limits) -> None:
    for kind, limit in limits._asdict().items():
        if limit:
            _check_limit(LimitKind(kind), limit)


def _check_limit(kind: LimitKind, limit: Limit) -> None:
    if limit.window not in WINDOWS_OF[kind]:
        windows = " or ".join(WINDOWS_OF[kind])
        raise ValidationError(f"A {kind} is a number of requests a {windows}.", code="not_a_limit")
    if not 1 <= limit.amount <= MOST_AMOUNT:
        raise _no_amount()


def _no_amount() -> ValidationError:
    return ValidationError(
        f"A limit is a whole number from 1 to {MOST_AMOUNT:,}. To reject every request, pause the key.",
        code="not_a_limit",
    )


def limit_of(kind: LimitKind, number: str, window: str) -> Limit:
    """The limit of a number that a person wrote, and a window of this kind. Raises ValidationError.

    Commas may stand where pages write them: 1,5 is no 15.
    """
    text = number.strip()
    amount = read_whole(text.replace(",", "") if _GROUPED.fullmatch(text) else text, MOST_AMOUNT)
    if amount is None:
        raise _no_amount()
    limit = Limit(amount, Window(window))
    _check_limit(kind, limit)
    return limit


def read_written(text: str) -> Restrictions:
    """What `restrictions.written` wrote into a form. Raises ValidationError for another text."""
    try:
        return read_text(text)
    except Unreadable as error:
        raise ValidationError("This form is out of date. Reload the page and try again.") from error


def read_limit(kind: LimitKind, text: str) -> Limit:
    """The limit in a text such as 100/minute. Raises ValidationError."""
    number, slash, window = text.strip().partition("/")
    if not slash or window.strip() not in WINDOWS_OF[kind] or not number.strip():
        examples = " or ".join(f"100/{each}" for each in WINDOWS_OF[kind])
        raise ValidationError(f"{text[:60]!r} is no {kind}. Write {examples}.", code="not_a_limit")
    return limit_of(kind, number, window.strip())
