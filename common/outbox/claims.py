"""Which email is sent next, by which process, and what becomes of it. Several processes share the table.

A claim is one conditional UPDATE that moves `due_at` beyond the end of the try. It holds no lock while a mail server is
spoken to, works on both databases, and expires by itself if its process was killed.
"""

import time
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Min, Q, QuerySet

from common.metrics import counts
from common.metrics.counts import Total
from common.outbox.delivery import Result
from common.outbox.models import Email, Lane, State, email_lost

logger = structlog.get_logger(__name__)

TRIES = 10
# How many times longer an email waits after each try than after the one before, up to LONGEST_GAP. With
# MAIL_RETRY_SECONDS=10: 10 s, 1 min, 6 min, 36 min, 3.6 h, then every 4 h, about 20 hours in all.
GROWTH = 6
LONGEST_GAP = timedelta(hours=4)
# How long a claim lasts, in multiples of EMAIL_TIMEOUT. A try ends earlier (smtp_backend.py), so no second thread sends
# an email while the first one still speaks to the mail server.
WAITS_A_CLAIM = 15

EXPIRED = Result(sent=False, error="expired")
# What is left of the words of an email that is not sent any more.
WIPED: dict[str, Any] = {"ciphertext": None, "ring_key_id": ""}

# When an email of each cause was last taken by this process.
_turns: dict[tuple[str, str], float] = {}


def claim_length() -> timedelta:
    return timedelta(seconds=WAITS_A_CLAIM * settings.EMAIL_TIMEOUT)


def gap_after(tries: int) -> timedelta:
    """How long an email waits for its next try."""
    return min(timedelta(seconds=settings.MAIL_RETRY_SECONDS * GROWTH ** (tries - 1)), LONGEST_GAP)


def take(lane: Lane, now: datetime) -> Email | None:
    """Claims an email that is due, None if there is none. The cause whose last turn is longest ago comes first."""
    while email := _first_due(lane, now):
        until = now + claim_length()
        same = Email.objects.filter(pk=email.pk, state=State.WAITING, due_at=email.due_at)
        if same.update(due_at=until):
            email.due_at = until
            _turns[lane, email.cause] = time.monotonic()
            return email
    return None


def _first_due(lane: Lane, now: datetime) -> Email | None:
    due = Email.objects.due(lane, now)
    causes = dict(due.order_by().values_list("cause").annotate(Min("due_at")))
    for place in [place for place in _turns if place[0] == lane and place[1] not in causes]:
        del _turns[place]
    if not causes:
        return None
    cause = min(causes, key=lambda cause: (_turns.get((lane, cause), 0.0), causes[cause]))
    return due.filter(cause=cause).order_by("due_at", "pk").first()


def next_due(lane: Lane) -> datetime | None:
    """When the next email of the lane has to be looked for."""
    due: datetime | None = Email.objects.waiting(lane).aggregate(due=Min("due_at"))["due"]
    return due


def why_not_tried(email: Email, now: datetime) -> Result | None:
    """The end of a claimed email that is not worth a try; None if it is."""
    return EXPIRED if email.useless_at is not None and email.useless_at <= now else None


def settle(email: Email, result: Result, now: datetime) -> None:
    """Writes down what became of a claimed email.

    Only here a try is counted. A try that was killed with its process says nothing against the email.
    """
    mine = Email.objects.filter(pk=email.pk, state=State.WAITING)
    tries = email.tries if result is EXPIRED else email.tries + 1
    if result.sent:
        # Even if the claim has expired meanwhile: it must not be sent once more.
        mine.update(state=State.SENT, settled_at=now, tries=tries, last_error="", **WIPED)
        return
    mine = mine.filter(due_at=email.due_at)
    facts = {"about": email.about, "email": email.public_id, "error": result.error, "codes": [*result.codes]}
    words = " ".join([result.error, *map(str, result.codes)])[:200]
    if result.may_pass and tries < TRIES:
        logger.warning("mail_not_sent", **facts, tries=tries)
        due_at = min(filter(None, (now + gap_after(tries), email.useless_at)))
        mine.update(due_at=due_at, tries=tries, last_error=words)
        return
    logger.error("mail_lost", **facts, tries=tries)
    counts.add(Total.EMAILS_LOST, label="given_up")
    end = {"state": State.FAILED, "last_error": words, "tries": tries}
    if result is EXPIRED:
        end = {"state": State.EXPIRED, **WIPED}
    with transaction.atomic():
        if mine.update(settled_at=now, **end):
            email_lost.send(sender=Email, email=email)


def send_again(emails: QuerySet[Email], now: datetime) -> list[Email]:
    """Has emails that were given up sent once more, and returns them. Those whose code has expired are left alone."""
    sent_again = []
    worth = Q(useless_at=None) | Q(useless_at__gt=now)
    for email in emails.filter(worth, state=State.FAILED).order_by("pk"):
        failed = Email.objects.filter(pk=email.pk, state=State.FAILED)
        if failed.update(state=State.WAITING, due_at=now, tries=0, settled_at=None):
            sent_again.append(email)
    return sent_again
