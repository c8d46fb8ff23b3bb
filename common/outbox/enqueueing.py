"""Writes emails into the outbox, in the transaction of the change that they tell about, without a mail server.

An attacker can neither fill the table without end nor crowd others out: a lane has room for MOST_WAITING emails, and
MOST_TO_ONE of them go to one person. Where there is no room, the cause with the most emails gives up its newest one.
"""

from collections import Counter
from collections.abc import Collection, Sequence
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
from common.metrics import counts
from common.metrics.counts import Total
from common.outbox import sealed_emails, senders
from common.outbox.models import SENDABLE, Email, EmailQuerySet, Lane, email_lost

logger = structlog.get_logger(__name__)

# In each lane.
MOST_WAITING = 5_000
# As many as a project has keys: a person who makes and deletes keys without end must not crowd out other people. Of
# one person's emails, one project does not crowd out the news of another one.
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

    Three statements, however many messages there are, unless there is no room.
    """
    with transaction.atomic(savepoint=False):
        new = [_new(lane, message, about=about, cause=cause) for message in messages]
        sealed = [email for email in new if email.ciphertext]
        dropped = _save(lane, sealed)
        transaction.on_commit(partial(senders.wake, lane), robust=True)
        for email in [*dropped, *(email for email in new if not email.ciphertext)]:
            transaction.on_commit(partial(email_lost.send, sender=Email, email=email), robust=True)
    for (whose_about, whose_cause), mails in Counter((email.about, email.cause) for email in dropped).items():
        logger.error("mails_dropped", about=whose_about, cause=whose_cause, mails=mails)
        counts.add(Total.EMAILS_LOST, mails, "dropped")
    return len(sealed) - sum(email in sealed for email in dropped)


def _new(lane: Lane, message: EmailMessage, *, about: str, cause: str) -> Email:
    """The row, not saved yet. It has no words if the message cannot be sealed: the change goes on without its email."""
    # The same at every try: a mail server, or a person, can tell that an email came twice.
    message.extra_headers.setdefault("Message-ID", make_msgid(domain=_own_domain()))
    now = timezone.now()
    useful: float | None = getattr(message, "useful_seconds", None)
    email = Email(lane=lane, about=about, cause=cause, created_at=now, due_at=now)
    email.useless_at = None if useful is None else now + timedelta(seconds=useful)
    email.recipient = sealed_emails.digest_of(*message.to)
    try:
        sealed_emails.seal(email, message)
    except VaultUnavailable:
        logger.exception("mail_not_sealed", about=about)
    return email


def _own_domain() -> str:
    """Python's default asks the name server for the machine's name, which may take seconds."""
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip("> ") or "localhost"


def withdraw(address: str, *, about: Collection[str] | None = None) -> None:
    """Deletes the emails to somebody who must not get them any more: those about these projects, or "account"; all
    without `about`.

    An email that is being sent at this moment still arrives.
    """
    unsent = Email.objects.filter(state__in=SENDABLE, recipient=sealed_emails.digest_of(address))
    (unsent if about is None else unsent.filter(about__in=about)).delete()


def _save(lane: Lane, emails: list[Email]) -> list[Email]:
    """Saves the emails that find room. Returns the emails that did not, and those that were deleted for others."""
    waiting = Email.objects.waiting(lane)
    fitting, crowded = _by_room_of_their_person(waiting, emails)
    dropped = []
    if waiting.count() + len(fitting) <= MOST_WAITING:
        Email.objects.bulk_create(fitting)
    else:
        for email in fitting:
            if waiting.count() >= MOST_WAITING:
                dropped.append(_drop_one(email, waiting))
            else:
                email.save(force_insert=True)
    return dropped + [_drop_one(email, waiting.filter(recipient=email.recipient)) for email in crowded]


def _by_room_of_their_person(waiting: EmailQuerySet, emails: list[Email]) -> tuple[list[Email], list[Email]]:
    """The emails whose person has room for them, and the others."""
    people = waiting.filter(recipient__in=[email.recipient for email in emails])
    found = people.order_by().values_list("recipient").annotate(Count("pk"))
    numbers = Counter({bytes(recipient): number for recipient, number in found})
    fitting, crowded = list[Email](), list[Email]()
    for email in emails:
        numbers[bytes(email.recipient)] += 1
        (fitting if numbers[bytes(email.recipient)] <= MOST_TO_ONE else crowded).append(email)
    return fitting, crowded


def _drop_one(email: Email, waiting: EmailQuerySet) -> Email:
    """Saves the email in place of the newest one of the cause that has the most waiting emails, which it returns.

    If that is the email's own cause, it returns the email itself, not saved.
    """
    shares = dict(waiting.order_by().values_list("cause").annotate(Count("pk")))
    largest = max(shares, key=lambda each: shares[each], default=email.cause)
    if shares.get(largest, 0) <= shares.get(email.cause, 0) + 1:
        return email
    newest = waiting.filter(cause=largest).order_by("-pk").first()
    if newest is None or not Email.objects.filter(pk=newest.pk).delete()[0]:
        return email
    email.save(force_insert=True)
    return newest
