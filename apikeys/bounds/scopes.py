"""The operator's vocabulary of scopes: what a key can be allowed, in the operator's words."""

import re
from collections.abc import Mapping

from common.known_settings import known
from common.plurals import counted

NAME = re.compile(r"[a-z0-9_.:-]{1,64}")

FILES_READ, FILES_WRITE = "files:read", "files:write"
# What the built-in files ask for. It is also the vocabulary of projects that embed only the check.
DEFAULT = {FILES_READ: "Read files", FILES_WRITE: "Upload and delete files"}


MOST = 100
LONGEST_DESCRIPTION = 100


def read(text: str) -> dict[str, str]:
    """The vocabulary in a text of NAME=description, separated by commas or lines; the default for an empty text.

    Raises ValueError.
    """
    found: dict[str, str] = {}
    for entry in filter(None, map(str.strip, re.split(r"[,\n]", text))):
        scope, _, description = (part.strip() for part in entry.partition("="))
        if not NAME.fullmatch(scope):
            raise ValueError(f"{scope[:80]!r} is no scope: a name has 1 to 64 of a-z 0-9 _ . : and -")
        if scope in found:
            raise ValueError(f"{scope} is there twice.")
        if len(description) > LONGEST_DESCRIPTION or not description.isprintable():
            raise ValueError(f"The description of {scope} is longer than {LONGEST_DESCRIPTION}, or has hidden parts.")
        found[scope] = description or scope
    if len(found) > MOST:
        raise ValueError(f"There are {counted(len(found), 'scope')}. At most {MOST} are possible.")
    return found or dict(DEFAULT)


def vocabulary() -> Mapping[str, str]:
    """The scopes that the operator has defined, in the operator's order: name and description."""
    found: Mapping[str, str] = getattr(known, "SCOPES", DEFAULT)
    return found


def described(scope: str) -> str:
    """What a scope allows in the operator's words, or a mark if the operator no longer defines it."""
    return vocabulary().get(scope, "no longer defined")


class ScopesMalformed(ValueError):
    """A text that asks for scopes holds something that is no scope's name."""


def asked_for(text: str) -> tuple[str, ...]:
    """The scopes in a text that separates them by spaces, each once. Raises ScopesMalformed."""
    names = dict.fromkeys(text.split(" ")) if text else {}
    if not all(NAME.fullmatch(name) for name in names):
        raise ScopesMalformed
    return tuple(names)
