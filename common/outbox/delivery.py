"""One try to send one email: speaks to the mail server, and never to the database."""

from collections.abc import Sequence
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPResponseException
from typing import NamedTuple

from django.conf import settings
from django.core.mail import get_connection

from common.key_ring import VaultUnavailable
from common.outbox import sealed_emails
from common.outbox.models import Email

# The reply of a server that wants its client to sign in first. It may come after any command (RFC 4954, 6).
NOT_SIGNED_IN = 530


class Result(NamedTuple):
    """What became of a try. `codes` are what the mail server replied; `may_pass` says that another try may work."""

    sent: bool
    error: str = ""
    codes: Sequence[int] = ()
    may_pass: bool = False


def attempt(email: Email) -> Result:
    try:
        get_connection(settings.MAIL_SENT_BY).send_messages([sealed_emails.unseal(email)])
    except Exception as error:
        # Not the error's text: mail servers repeat addresses in it.
        return Result(False, type(error).__name__, _reply_codes(error), _may_pass(error))
    return Result(True)


def _may_pass(error: Exception) -> bool:
    """Whether another try may work. A later one does not help an email that the server refuses, or that is wrong.

    Other replies of 500 and more are about the server: its greeting, STARTTLS, the sign-in, the sender. They last until
    an operator mends a setting, and would otherwise lose every email that is due meanwhile.
    """
    if isinstance(error, SMTPRecipientsRefused | SMTPDataError):
        return any(code < 500 or code == NOT_SIGNED_IN for code in _reply_codes(error))
    # The network's errors and all other errors of smtplib are OSErrors. A wrong KEY_RING may be replaced, too.
    return isinstance(error, OSError | VaultUnavailable)


def _reply_codes(error: Exception) -> list[int]:
    """What the mail server replied; nothing where the network failed, or the email itself is wrong."""
    if isinstance(error, SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    return [error.smtp_code] if isinstance(error, SMTPResponseException) else []
