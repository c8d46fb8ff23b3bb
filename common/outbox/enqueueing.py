"""Writes emails into the outbox, in the transaction of the change that they tell about, without a mail server.

An attacker can neither fill the table without end nor crowd others out: a lane has room for MOST_WAITING emails, one
person gets MOST_TO_ONE of them, and in a full lane the cause with the most emails gives up its newest one.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from email.utils import make_msgid
from functools import partial

import structlog
from allauth.core import context
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from common.client_address import client_address, network_of
from common.key_ring import VaultUnavailable
from common.outbox import sealed_emails, senders
from common.outbox.models import Email, Lane

logger = structlog.get_logger(__name__)

# In each lane.
MOST_WAITING = 5_000
# As many as a project has keys: a person who makes and deletes keys without end must not crowd out other people.
MOST_TO_ONE = 100


def enqueue(messages: list[EmailMessage], *, about: str) -> None:
    """Has owners' notices about the project or account `about` sent after the commit, each to one person."""
    add(Lane.OWNERS, messages, about=about, cause=about)


class EmailBackend(BaseEmailBackend):
    """Django's and allauth's emails: codes, resets, notices of account changes.

    A message with an attribute `useful_seconds` is not sent later than that.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        request = getattr(context, "request", None)
        cause = network_of(client_address(request)) if request else ""
        return add(Lane.ACCOUNTS, email_messages, about="account", cause=cause)


def add(lane: Lane, messages: Sequence[EmailMessage], *, about: str, cause: str) -> int:
    """Writes a row for each message and returns how many were accepted. The log says how many were dropped.

    Three statements, however many messages there are, unless the lane is full.
    """
    with transaction.atomic(savepoint=False):
        new = [_new(lane, message, about=about, cause=cause) for message in messages]
        emails = _not_too_many_to_one(lane, [email for email in new if email])
        if Email.objects.waiting(lane).count() + len(emails) <= MOST_WAITING:
            Email.objects.bulk_create(emails)
            removed = 0
        else:
            emails, removed = _into_full_lane(lane, emails)
        transaction.on_commit(partial(senders.wake, lane), robust=True)
    if dropped := len(messages) - len(emails) + removed:
        logger.error("mails_dropped", about=about, mails=dropped)
    return len(emails)


def _new(lane: Lane, message: EmailMessage, *, about: str, cause: str) -> Email | None:
    """The row, not saved yet. None if the message cannot be sealed: the change goes on without its email."""
    # The same at every try: a mail server, or a person, can tell that an email came twice.
    message.extra_headers.setdefault("Message-ID", make_msgid(domain=_own_domain()))
    now = timezone.now()
    useful: float | None = getattr(message, "useful_seconds", None)
    email = Email(lane=lane, about=about, cause=cause, created_at=now, due_at=now)
    email.useless_at = None if useful is None else now + timedelta(seconds=useful)
    email.recipient = sealed_emails.recipient_of(message)
    try:
        sealed_emails.seal(email, message)
    except VaultUnavailable:
        logger.exception("mail_not_sealed", about=about)
        return None
    return email


def _own_domain() -> str:
    """Python's default asks the name server for the machine's name, which may take seconds."""
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip("> ") or "localhost"


def _not_too_many_to_one(lane: Lane, emails: list[Email]) -> list[Email]:
    """The emails whose person has room for them."""
    people = Email.objects.waiting(lane).filter(recipient__in=[email.recipient for email in emails])
    found = people.order_by().values_list("recipient").annotate(Count("pk"))
    counts = Counter({bytes(recipient): number for recipient, number in found})
    fitting = []
    for email in emails:
        counts[bytes(email.recipient)] += 1
        if counts[bytes(email.recipient)] <= MOST_TO_ONE:
            fitting.append(email)
    return fitting


def _into_full_lane(lane: Lane, emails: list[Email]) -> tuple[list[Email], int]:
    """The emails that found room, which are saved, and how many others were removed for them."""
    saved, removed = [], 0
    for email in emails:
        if Email.objects.waiting(lane).count() >= MOST_WAITING:
            if not _remove_one_for(lane, email.cause):
                continue
            removed += 1
        email.save(force_insert=True)
        saved.append(email)
    return saved, removed


def _remove_one_for(lane: Lane, cause: str) -> bool:
    """In a full lane, the cause with the most emails gives up its newest one. Whether one was removed."""
    waiting = Email.objects.waiting(lane)
    shares = dict(waiting.order_by().values_list("cause").annotate(Count("pk")))
    largest = max(shares, key=lambda each: shares[each])
    if shares[largest] <= shares.get(cause, 0) + 1:
        return False
    newest = waiting.filter(cause=largest).order_by("-pk").first()
    return newest is not None and bool(Email.objects.filter(pk=newest.pk).delete()[0])
