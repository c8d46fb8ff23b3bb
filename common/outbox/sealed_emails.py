"""The words of emails at rest: subject, text and recipient, sealed with the key ring. They hold codes and links."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from email.header import Header
from typing import Any, NamedTuple

from django.core.mail import EmailMessage, SafeMIMEMultipart, SafeMIMEText
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from common import key_ring
from common.encryption import CiphertextRefused
from common.key_ring import VaultUnavailable
from common.outbox.models import Email

ROWS_A_STATEMENT = 500
_FIELDS = ("subject", "body", "from_email", "to", "cc", "bcc", "reply_to")


class PlainEmail(EmailMessage):
    """An email whose subject reaches the reader as it was written, also a name in it that looks like an encoded word.

    Django leaves a subject of ASCII as it is. Mail programs would decode `=?utf-8?q?Free=20money?=` (RFC 2047).
    Django encodes another subject without regard to "Subject: ". The first encoded word would not fit beside it, so
    the header's first line would be empty, and mail programs would read a space before the subject.
    """

    def message(self) -> SafeMIMEText | SafeMIMEMultipart:
        message: SafeMIMEText | SafeMIMEMultipart = super().message()
        subject = str(self.subject)
        if "=?" in subject or not subject.isascii():
            encoded = Header(subject, "utf-8", header_name="Subject").encode()
            message.replace_header("Subject", encoded)
        return message


class EmailCensus(NamedTuple):
    """Emails by the ring entry that they need."""

    ring_keys: Counter[str]
    read: int
    movable: int  # not under the first entry although they can be
    not_readable: list[str]  # their ids


def _bound_to(email: Email) -> bytes:
    """What binds a ciphertext to its row."""
    return f"v1|email|{email.public_id}".encode("ascii")


def digest_of(*addresses: str) -> bytes:
    """The recipient, as a digest that only SECRET_KEY can make: nobody can try addresses on a stolen database."""
    return salted_hmac("outbox.recipient", ",".join(addresses), algorithm="sha256").digest()


@sensitive_variables()
def seal(email: Email, message: EmailMessage) -> None:
    """Puts the message into the row's columns. Raises VaultUnavailable, and ValueError for more than plain text."""
    if message.attachments or getattr(message, "alternatives", None) or message.content_subtype != "plain":
        raise ValueError("The outbox takes emails of plain text.")
    words = {name: getattr(message, name) for name in _FIELDS} | {"headers": message.extra_headers}
    plain = json.dumps(words, default=str).encode()  # a subject may be a lazy string
    email.ring_key_id, email.ciphertext = key_ring.seal(plain, _bound_to(email))


@sensitive_variables()
def unseal(email: Email) -> EmailMessage:
    """The message as it was written. Raises VaultUnavailable or CiphertextRefused."""
    words: dict[str, Any] = json.loads(_plain(email))
    return PlainEmail(**words)


@sensitive_variables()
def _plain(email: Email) -> bytes:
    return key_ring.unseal(bytes(email.ciphertext or b""), _bound_to(email), ring_key_id=email.ring_key_id)


@sensitive_variables()
def move_all(*, batch: int = ROWS_A_STATEMENT) -> int:
    """Seals every email that can be read under the first ring key; how many it moved.

    Each UPDATE holds only for the ciphertext that was read: an email that was sent meanwhile stays wiped. Killed at any
    moment, the next run does the rest.
    """
    moved = 0
    for email in _sealed(batch):
        if email.ring_key_id == key_ring.ring_key_ids()[0]:
            continue
        with suppress(VaultUnavailable, CiphertextRefused):
            ring_key_id, ciphertext = key_ring.seal(_plain(email), _bound_to(email))
            same = Email.objects.filter(pk=email.pk, ciphertext=email.ciphertext)
            moved += same.update(ring_key_id=ring_key_id, ciphertext=ciphertext)
    return moved


def take_census() -> EmailCensus:
    """Counts all sealed emails as they are now, and reads each."""
    first = key_ring.ring_key_ids()[:1]
    ring_keys, read, movable, not_readable = Counter[str](), 0, 0, list[str]()
    for email in _sealed(ROWS_A_STATEMENT):
        ring_keys[email.ring_key_id] += 1
        try:
            _plain(email)
        except (VaultUnavailable, CiphertextRefused):
            not_readable.append(email.public_id)
        else:
            read += 1
            movable += email.ring_key_id not in first
    return EmailCensus(ring_keys, read, movable, not_readable)


def _sealed(batch: int) -> Iterator[Email]:
    last_pk = 0
    while emails := list(Email.objects.exclude(ciphertext=None).filter(pk__gt=last_pk).order_by("pk")[:batch]):
        yield from emails
        last_pk = emails[-1].pk
