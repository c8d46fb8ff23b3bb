"""The lines of the log that show an attack, one for each event. docs/security.md lists them.

A line names the event, the account and the outcome. Inside a request it also has the client's address and the request's
id, which config/middleware/every_request.py binds to the request's context. No line contains a secret, or text that was
typed into a field which is not for an address.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import Any

import structlog
from django.db import transaction

logger = structlog.get_logger("security")


class Event(StrEnum):
    # Accounts
    ACCOUNT_CREATED = "account_created"
    ACCOUNT_DEACTIVATED = "account_deactivated"
    ACCOUNT_REACTIVATED = "account_reactivated"
    ACCOUNT_DELETED = "account_deleted"
    ACCOUNT_CLEARED = "account_cleared"
    SIGN_UP_REFUSED = "sign_up_refused"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    SESSIONS_ENDED = "sessions_ended"
    IDENTITY_CONFIRMED = "identity_confirmed"
    IDENTITY_NOT_CONFIRMED = "identity_not_confirmed"
    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    SECOND_FACTOR_FAILED = "second_factor_failed"
    MAILED_CODE_FAILED = "mailed_code_failed"
    SINGLE_SIGN_ON_CONNECTED = "single_sign_on_connected"
    SINGLE_SIGN_ON_DISCONNECTED = "single_sign_on_disconnected"
    SINGLE_SIGN_ON_REFUSED = "single_sign_on_refused"
    PASSWORD_RESET_ASKED = "password_reset_asked"  # noqa: S105  an event's name
    PASSWORD_RESET = "password_reset"  # noqa: S105
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    EMAIL_CHANGE_ASKED = "email_change_asked"
    EMAIL_CONFIRMED = "email_confirmed"
    EMAIL_CHANGED = "email_changed"
    # Projects and their members
    PROJECT_CREATED = "project_created"
    PROJECT_RENAMED = "project_renamed"
    PROJECT_DELETED = "project_deleted"
    PROJECT_LIMITED = "project_limited"
    FILE_DELETED = "file_deleted"
    NOTIFICATIONS_CHANGED = "notifications_changed"
    MEMBER_ADDED = "member_added"
    MEMBER_CHANGED = "member_changed"
    MEMBER_REMOVED = "member_removed"
    MEMBER_JOINED = "member_joined"
    MEMBER_LEFT = "member_left"
    INVITED = "invited"
    INVITATION_RESENT = "invitation_resent"
    INVITATION_LINK_COPIED = "invitation_link_copied"
    INVITATION_REVOKED = "invitation_revoked"
    # Keys and their secrets
    KEY_CREATED = "key_created"
    KEY_RENAMED = "key_renamed"
    KEY_COPIED = "key_copied"
    KEY_REVEALED = "key_revealed"
    KEY_PAUSED = "key_paused"
    KEY_PAUSED_UNTIL = "key_paused_until"
    KEY_PAUSE_CHANGED = "key_pause_changed"
    KEY_RESUMED_ITSELF = "key_resumed_itself"
    KEY_RESUMED = "key_resumed"
    KEY_RESUMED_REPORTED = "key_resumed_reported"
    KEY_END_CHANGED = "key_end_changed"
    KEY_ENDED = "key_ended"
    KEY_EXPIRED = "key_expired"
    KEY_ENDED_QUIET = "key_ended_quiet"
    KEY_REVIVED = "key_revived"
    KEY_ROLLED = "key_rolled"
    KEY_ACCESS_CHANGED = "key_access_changed"
    KEY_NETWORKS_CHANGED = "key_networks_changed"
    KEY_LIMITS_CHANGED = "key_limits_changed"
    KEY_OFFERED = "key_offered"
    KEY_OFFER_DECLINED = "key_offer_declined"
    KEY_OFFER_WITHDRAWN = "key_offer_withdrawn"
    KEY_HANDED_OVER = "key_handed_over"
    KEY_DELETED = "key_deleted"
    KEY_REPORTED = "key_reported"
    KEY_FORGOTTEN = "key_forgotten"
    KEY_SHOWN_ONCE = "key_shown_once"
    KEY_SHOWN_AGAIN = "key_shown_again"
    # The admin
    ADMIN_ADDED = "admin_added"
    ADMIN_CHANGED = "admin_changed"
    ADMIN_DELETED = "admin_deleted"
    # Refusals
    RATE_LIMITED = "rate_limited"
    CSRF_REFUSED = "csrf_refused"
    PERMISSION_REFUSED = "permission_refused"
    API_CALL_REFUSED = "api_call_refused"
    VERIFY_REFUSED = "verify_refused"
    METRICS_REFUSED = "metrics_refused"
    MORE_REFUSED = "more_refused"


_FAILED = {
    Event.SIGN_IN_FAILED,
    Event.IDENTITY_NOT_CONFIRMED,
    Event.SECOND_FACTOR_FAILED,
    Event.MAILED_CODE_FAILED,
}
_REFUSED = {event for event in Event if event.endswith("_refused")} | {Event.RATE_LIMITED}
# A program with a wrong key may call many times a second, so these lines are no warnings.
_ROUTINE = {Event.API_CALL_REFUSED, Event.VERIFY_REFUSED}
_LONGEST = 200


def record(event: str, *, account: Any = None, **facts: Any) -> None:
    """Writes the line. `account` is a user, or None for an unknown person. Facts that are None are left out."""
    known = {"account": getattr(account, "public_id", None), **facts}
    shown = {name: _short(value) for name, value in known.items() if value not in (None, "")}
    outcome = "failed" if event in _FAILED else "refused" if event in _REFUSED else "done"
    write = logger.info if outcome == "done" or event in _ROUTINE else logger.warning
    write(str(event), outcome=outcome, **shown)


def record_on_commit(event: str, *, account: Any = None, **facts: Any) -> None:
    """Writes the line once the change is committed, because a change that is rolled back did not happen."""
    transaction.on_commit(partial(record, event, account=account, **facts), robust=True)


@contextmanager
def muted() -> Iterator[None]:
    """No lines in the whole process meanwhile; for a command that makes up sample data."""
    lines = logging.getLogger("security")
    before = lines.level
    lines.setLevel(logging.WARNING)
    try:
        yield
    finally:
        lines.setLevel(before)


def _short(value: Any) -> Any:
    """Shortens text that a client may have written."""
    return value[:_LONGEST] if isinstance(value, str) else value
