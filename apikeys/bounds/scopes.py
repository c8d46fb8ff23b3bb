"""The operator's vocabulary of scopes: what a key can be allowed, in the operator's words."""

import re
from collections.abc import Mapping

from django.conf import settings

NAME = re.compile(r"[a-z0-9_.:-]{1,64}")

FILES_READ, FILES_WRITE = "files:read", "files:write"
# What the built-in files ask for. It is also the vocabulary of projects that embed only the check.
DEFAULT = {FILES_READ: "Read files", FILES_WRITE: "Upload and delete files"}


def vocabulary() -> Mapping[str, str]:
    """The scopes that the operator has defined, in the operator's order: name and description."""
    found: Mapping[str, str] = getattr(settings, "SCOPES", DEFAULT)
    return found


class ScopesMalformed(ValueError):
    """A text that asks for scopes holds something that is no scope's name."""


def asked_for(text: str) -> tuple[str, ...]:
    """The scopes in a text that separates them by spaces, each once. Raises ScopesMalformed."""
    names = dict.fromkeys(text.split(" ")) if text else {}
    if not all(NAME.fullmatch(name) for name in names):
        raise ScopesMalformed
    return tuple(names)
