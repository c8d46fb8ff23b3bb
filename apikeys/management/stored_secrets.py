"""The part of `rotate_encryption` and `checkkeys` that is about second factors and emails."""

from typing import Any, NamedTuple

from accounts.second_factors import secrets_at_rest
from accounts.second_factors.secrets_at_rest import FactorCensus
from apikeys.management.key_commands import named
from common.outbox import sealed_emails
from common.outbox.sealed_emails import EmailCensus
from common.plurals import counted

_NOT_READABLE = (
    "They cannot be read: KEY_RING lacks their entry or its entry of that id is another one, or somebody changed their "
    "rows. Their owners cannot sign in with them and see a page that says so (503). Correct KEY_RING, or delete these "
    "second factors in the admin."
)
_EMAILS_NOT_READABLE = (
    "They cannot be read, and so not be sent: KEY_RING lacks their entry or its entry of that id is another one, or "
    "somebody changed their rows. Correct KEY_RING, or leave them: they are given up, and deleted a week later."
)


class Rotated(NamedTuple):
    """The result for second factors and emails, and the rest that could not be moved."""

    factors: int
    emails_moved: int
    census: FactorCensus
    emails: EmailCensus
    dry_run: bool = False

    @property
    def data(self) -> dict[str, Any]:
        """The result as --json shows it."""
        return {
            "second_factors": {
                "moved": self.factors,
                "movable": self.census.movable,
                "not_readable": self.census.not_readable,
            },
            "emails": {
                "moved": self.emails_moved,
                "movable": self.emails.movable,
                "not_readable": self.emails.not_readable,
            },
        }

    @property
    def failures(self) -> list[str]:
        """The sentences of the error that the command ends with."""
        failures = [*not_readable(self.census), *emails_not_readable(self.emails)]
        if self.dry_run:
            return failures
        for number, noun in ((self.census.movable, "second factor"), (self.emails.movable, "email")):
            if number:
                failures.append(
                    f"{counted(number, noun)} came under an older entry meanwhile: restart the servers that still put "
                    "it first, then run this again."
                )
        return failures


def rotate(*, batch: int) -> Rotated:
    factors, emails = secrets_at_rest.move_all(batch=batch), sealed_emails.move_all(batch=batch)
    return _result(factors, emails)


def look() -> Rotated:
    """The same result, without a change."""
    return _result(dry_run=True)


def _result(factors: int = 0, emails: int = 0, *, dry_run: bool = False) -> Rotated:
    return Rotated(factors, emails, secrets_at_rest.take_census(), sealed_emails.take_census(), dry_run)


def lines_of(found: Rotated, ring_key: str) -> list[str]:
    """The result in words, without lines for what does not occur."""
    census, lines = found.census, []
    if found.dry_run and census.movable:
        lines.append(f"{counted(census.movable, 'second factor')} can be moved to ring key {ring_key}.")
    if found.dry_run and found.emails.movable:
        lines.append(f"{counted(found.emails.movable, 'email')} can be moved to ring key {ring_key}.")
    if found.emails_moved:
        lines.append(f"Moved {counted(found.emails_moved, 'email')} to ring key {ring_key}.")
    if found.factors:
        lines.append(f"Moved {counted(found.factors, 'second factor')} to ring key {ring_key}.")
    return lines


def not_readable(census: FactorCensus) -> list[str]:
    if not census.not_readable:
        return []
    return [f"Second factors of {named(census.not_readable, 'account')}. {_NOT_READABLE}"]


def emails_not_readable(census: EmailCensus) -> list[str]:
    if not census.not_readable:
        return []
    return [f"Waiting or failed: {named(census.not_readable, 'email')}. {_EMAILS_NOT_READABLE}"]
