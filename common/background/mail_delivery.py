"""Sends every email in threads, so that a mail server that is slow, or away, neither delays a request nor breaks it.

Each process keeps a bounded number of emails in memory. An email that cannot be sent is tried three times. At shutdown,
emails that still wait are tried once more, for a few seconds. A process that is killed loses the emails that wait.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from smtplib import SMTPRecipientsRefused, SMTPResponseException

import structlog
from allauth.core import context
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from common.background import background_thread
from common.client_address import client_address, network_of

logger = structlog.get_logger(__name__)

# In each lane.
MOST_WAITING = 1_000
# As many as a project has keys: a person who makes and deletes keys without end must not crowd out other people.
MOST_TO_ONE = 100
# Threads of each lane: one email that a silent server holds for EMAIL_TIMEOUT does not hold the next one.
SENDERS = 2
TRIES = 3
# How many times longer an email waits after each try than after the one before.
GROWTH = 6
# How long the end of a process waits for a mail server that does not answer.
SECONDS_TO_WAIT = 5


@dataclass(eq=False)
class Waiting:
    """An email that waits.

    `about` is the id that the log names it by, which tells nothing of its words or its recipient. `cause` is the
    project or the client's network that made Latchkey write it; each cause gets its fair share of a lane.
    """

    message: EmailMessage
    about: str
    cause: str
    tries: int = 0
    due: float = 0.0  # on time.monotonic()'s clock


class Lane:
    """Emails of one sort, with room and threads of their own: one sort neither crowds out nor delays the other."""

    def __init__(self) -> None:
        self.waiting: list[Waiting] = []
        self.at_hand = 0
        self.senders: list[threading.Thread] = []
        self.changed = threading.Condition()
        self._turns: dict[str, float] = {}  # when an email of each cause was last taken

    def enqueue(self, messages: Sequence[EmailMessage], *, about: str, cause: str) -> int:
        """Has `messages` sent soon and returns how many were accepted. The log says how many were dropped."""
        with self.changed:
            before, accepted = len(self.waiting), 0
            for message in messages:
                to_the_same = sum(waiting.message.to == message.to for waiting in self.waiting)
                if to_the_same < MOST_TO_ONE and self._has_room_for(cause):
                    self.waiting.append(Waiting(message, about, cause))
                    accepted += 1
            # Also those that made room.
            if dropped := before + len(messages) - len(self.waiting):
                logger.error("mails_dropped", about=about, mails=dropped)
            if settings.MAIL_RETRY_SECONDS:
                self._start_senders()
            self.changed.notify_all()
        return accepted

    def _has_room_for(self, cause: str) -> bool:
        """Whether one more fits. In a full lane, the cause with the most emails gives up its newest one."""
        if len(self.waiting) < MOST_WAITING:
            return True
        shares = Counter(waiting.cause for waiting in self.waiting)
        largest, emails = shares.most_common(1)[0]
        if emails <= shares[cause] + 1:
            return False
        self.waiting.remove(next(waiting for waiting in reversed(self.waiting) if waiting.cause == largest))
        return True

    def _start_senders(self) -> None:
        for _ in range(SENDERS - len(self.senders)):
            # A thread that cannot be started now is started with the next email.
            if sender := background_thread.start(self._send_until_stopped, stop=_stop):
                self.senders.append(sender)

    def take(self, now: float | None = None) -> Waiting | None:
        """An email that is due at `now`, or any email. The cause whose last turn is longest ago comes first."""
        with self.changed:
            due = [waiting for waiting in self.waiting if now is None or waiting.due <= now]
            first = min(due, key=lambda waiting: (self._turns.get(waiting.cause, 0.0), waiting.due), default=None)
            if first is not None:
                self.waiting.remove(first)
                self.at_hand += 1
                still_here = {waiting.cause for waiting in self.waiting}
                self._turns = {cause: at for cause, at in self._turns.items() if cause in still_here}
                self._turns[first.cause] = time.monotonic()
            return first

    def _take_when_due(self) -> Waiting | None:
        """The next email, once its time has come; None at shutdown, when nothing waits any more."""
        with self.changed:
            while not _stopping:
                if first := self.take(time.monotonic()):
                    return first
                due = min((waiting.due for waiting in self.waiting), default=None)
                self.changed.wait(None if due is None else max(0.0, due - time.monotonic()))
            return self.take()

    def _send_until_stopped(self) -> None:
        while waiting := self._take_when_due():
            self.send(waiting)

    def send(self, waiting: Waiting) -> None:
        """Sends an email that was taken; one that may pass later waits again."""
        try:
            may_pass = _try(waiting)
        finally:
            with self.changed:
                self.at_hand -= 1
        if may_pass:
            waiting.due = time.monotonic() + settings.MAIL_RETRY_SECONDS * GROWTH ** (waiting.tries - 1)
            with self.changed:
                self.waiting.append(waiting)


def _try(waiting: Waiting) -> bool:
    """Whether the email was not sent and is worth another try. Logs what failed."""
    waiting.tries += 1
    try:
        get_connection(settings.MAIL_SENT_BY).send_messages([waiting.message])
    except Exception as error:
        # Not the error's text: mail servers repeat addresses in it.
        codes = _reply_codes(error)
        facts = {"about": waiting.about, "error": type(error).__name__, "codes": codes, "tries": waiting.tries}
        # Replies below 500, and the network's errors, may pass (RFC 5321, 4.2.1).
        may_pass = isinstance(error, OSError) and all(code < 500 for code in codes)
        if may_pass and waiting.tries < TRIES and not _stopping:
            logger.warning("mail_not_sent", **facts)
            return True
        logger.error("mail_lost", **facts)
    return False


def _reply_codes(error: Exception) -> list[int]:
    """What the mail server replied; nothing where the network failed, or the email itself is wrong."""
    if isinstance(error, SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    return [error.smtp_code] if isinstance(error, SMTPResponseException) else []


# Owners' notices, and everything else: a flood of password resets does not hold back the news of a stolen key.
_owners, _accounts = Lane(), Lane()
_stopping = False


def enqueue(messages: list[EmailMessage], *, about: str) -> None:
    """Has owners' notices about the project `about` sent soon, each to one person."""
    _owners.enqueue(messages, about=about, cause=about)


class EmailBackend(BaseEmailBackend):
    """Django's and allauth's emails: codes, resets, notices of account changes. Nothing here asks the mail server."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        request = getattr(context, "request", None)
        cause = network_of(client_address(request)) if request else ""
        return _accounts.enqueue(email_messages, about="account", cause=cause)


def waiting() -> list[Waiting]:
    """The emails that wait, of both lanes."""
    return [*_owners.waiting, *_accounts.waiting]


def send_waiting() -> None:
    """Sends what waits in the thread that calls, due or not, until each email is sent or given up."""
    for lane in (_owners, _accounts):
        while first := lane.take():
            lane.send(first)


def forget() -> None:
    """Drops what waits, unsent."""
    for lane in (_owners, _accounts):
        lane.waiting.clear()


def _stop() -> None:
    global _stopping
    if _stopping:
        return
    _stopping = True
    lanes = (_owners, _accounts)
    for lane in lanes:
        with lane.changed:
            lane.changed.notify_all()
    deadline = time.monotonic() + SECONDS_TO_WAIT
    for sender in _owners.senders + _accounts.senders:
        sender.join(timeout=max(0.0, deadline - time.monotonic()))
    lost = sum(len(lane.waiting) + lane.at_hand for lane in lanes)
    if lost:
        logger.error("mails_lost", mails=lost)


def _begin_anew() -> None:
    """In a forked process: the parent sends what waits there, and its threads and locks are not ours."""
    global _owners, _accounts, _stopping
    _owners, _accounts, _stopping = Lane(), Lane(), False


os.register_at_fork(after_in_child=_begin_anew)
