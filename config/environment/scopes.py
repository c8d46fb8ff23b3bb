"""Reads SCOPES, the operator's vocabulary of what a key can be allowed."""

import re

from apikeys.bounds.scopes import DEFAULT, NAME
from config.environment import variables as env

MOST = 100
_LONGEST = 100


def scopes(name: str) -> dict[str, str]:
    """NAME=description, separated by commas or lines. Raises ImproperlyConfigured."""
    given = env.given(name)
    entries = [entry.strip() for entry in re.split(r"[,\n]", given) if entry.strip()]
    if not given.strip():
        return dict(DEFAULT)
    found: dict[str, str] = {}
    for entry in entries:
        scope, _, description = (part.strip() for part in entry.partition("="))
        if not NAME.fullmatch(scope):
            raise env.refusal(name, f"{scope[:80]!r} is no scope: a name has 1 to 64 of a-z 0-9 _ . : and -")
        if scope in found:
            raise env.refusal(name, f"{scope} is there twice.")
        if len(description) > _LONGEST or not description.isprintable():
            raise env.refusal(name, f"The description of {scope} has more than {_LONGEST} characters, or hidden ones.")
        found[scope] = description or scope
    if len(found) > MOST:
        raise env.refusal(name, f"There are {len(found)} scopes. At most {MOST} are possible.")
    return found
