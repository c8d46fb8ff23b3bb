"""One try to send one email: speaks to the mail server, and never to the database."""

from collections.abc import Sequence
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import NamedTuple

from django.conf import settings
from django.core.mail import get_connection

from common.key_ring import VaultUnavailable
from common.outbox import sealed_emails
from common.outbox.models import Email


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
        codes = _reply_codes(error)
        # Replies below 500, and the network's errors, may pass (RFC 5321, 4.2.1). So may a wrong KEY_RING.
        may_pass = isinstance(error, OSError | VaultUnavailable) and all(code < 500 for code in codes)
        return Result(False, type(error).__name__, codes, may_pass)
    return Result(True)


def _reply_codes(error: Exception) -> list[int]:
    """What the mail server replied; nothing where the network failed, or the email itself is wrong."""
    if isinstance(error, SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    return [error.smtp_code] if isinstance(error, SMTPResponseException) else []
