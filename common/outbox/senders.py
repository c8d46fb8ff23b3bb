"""The threads that send what the outbox holds: a few for each lane, in every process that serves pages.

A command that writes an email starts them, too.

One thread of a lane looks for emails, and the others send: a mail server that is silent holds no email but the one that
it was given. No connection to the database is held while a mail server is spoken to.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.utils import timezone

from common import database_deadline, outages
from common.background import background_thread
from common.metrics import shared_counts
from common.outbox import claims, clearing, delivery
from common.outbox.models import Email, Lane

# Threads of each lane: one email that a slow server holds does not hold the next one.
SENDERS = 2
# How often a process looks for emails that other processes wrote, or claimed before they were killed. A process sends
# the emails that it writes itself at once.
POLL_SECONDS = 10.0
CLEAR_SECONDS = 60.0
# How long the end of a process waits for a mail server that does not answer.
SECONDS_TO_WAIT = 5


class Senders:
    """The threads of one lane."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.threads: list[threading.Thread] = []
        self._looking = threading.Lock()  # held by the one thread that looks for the next email
        self._changed = threading.Condition()
        self._news = False
        self._cleared_at = 0.0

    def start(self) -> None:
        with self._changed:
            for _ in range(SENDERS - len(self.threads)):
                # A thread that cannot be started now is started with the next email.
                if thread := background_thread.start(self._send_until_stopped, stop=_stop):
                    self.threads.append(thread)

    def wake(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def _send_until_stopped(self) -> None:
        while email := self._next():
            self._send(email)

    def _next(self) -> Email | None:
        """Waits for an email to send; None at the end of the process, when nothing is due any more."""
        with self._looking:
            while True:
                with self._changed:
                    self._news = False
                email, seconds = self._look()
                if email or _stopping:
                    return email
                with self._changed:
                    if not self._news:
                        self._changed.wait(seconds)

    def _look(self) -> tuple[Email | None, float]:
        """An email that this thread has claimed, or how many seconds later it should look again."""
        try:
            with _database():
                now = timezone.now()
                if email := claims.take(self.lane, now):
                    return email, 0.0
                self._clear_sometimes(now)
                due = claims.next_due(self.lane)
        except Exception as error:  # the thread goes on when the database is back
            outages.log("outbox_not_read", error)
            return None, POLL_SECONDS
        return None, POLL_SECONDS if due is None else min(POLL_SECONDS, max(0.0, (due - now).total_seconds()))

    def _clear_sometimes(self, now: datetime) -> None:
        if self.lane == Lane.OWNERS and time.monotonic() - self._cleared_at > CLEAR_SECONDS:
            self._cleared_at = time.monotonic()
            clearing.clear(now)

    def _send(self, email: Email) -> None:
        result = claims.why_not_tried(email, timezone.now()) or delivery.attempt(email)
        try:
            with _database():
                claims.settle(email, result, timezone.now())
        except Exception as error:  # the claim expires, and the email is sent once more
            outages.log("outbox_not_written", error, email=email.public_id)


@contextmanager
def _database() -> Iterator[None]:
    """A few seconds for the database, and no connection afterwards."""
    try:
        with database_deadline.Begun():
            yield
    finally:
        connection.close()


_senders = {lane: Senders(lane) for lane in Lane}
_stopping = False


def start() -> None:
    """Starts the threads of this process, unless MAIL_RETRY_SECONDS is 0."""
    if settings.METRICS_TOKEN:
        # Before the threads: what is counted while they end is written after they have ended.
        shared_counts.begin_command(settings.DATA_DIR / "metrics")
    if settings.MAIL_RETRY_SECONDS:
        for senders in _senders.values():
            senders.start()


def wake(lane: Lane) -> None:
    """Called when new emails of the lane are committed."""
    start()
    _senders[lane].wake()


def send_due(now: datetime | None = None) -> None:
    """Sends what is due at `now`, in the thread that calls."""
    for lane in Lane:
        while email := claims.take(lane, now or timezone.now()):
            at = now or timezone.now()
            claims.settle(email, claims.why_not_tried(email, at) or delivery.attempt(email), at)


def _stop() -> None:
    """Sends what is due for a few seconds more. What is left stays in the database for another process."""
    global _stopping
    if _stopping:
        return
    _stopping = True
    for senders in _senders.values():
        senders.wake()
    deadline = time.monotonic() + SECONDS_TO_WAIT
    for thread in [thread for senders in _senders.values() for thread in senders.threads]:
        thread.join(timeout=max(0.0, deadline - time.monotonic()))


def _begin_anew() -> None:
    """In a forked process: the parent's threads and locks are not ours."""
    global _senders, _stopping
    _senders, _stopping = {lane: Senders(lane) for lane in Lane}, False


os.register_at_fork(after_in_child=_begin_anew)
