"""Sends mails in a thread, so that a mail server that is slow, or away, neither delays a request nor breaks it.

Each process has one such thread, and a bounded number of mails that wait for it. A mail that cannot be sent is tried
three times; at shutdown, what waits is tried once more, for a few seconds. A process that is killed loses what waits.
"""

import os
import threading
import time
from dataclasses import dataclass
from smtplib import SMTPRecipientsRefused, SMTPResponseException

import structlog
from django.conf import settings
from django.core.mail import EmailMessage

from apikeys import background

logger = structlog.get_logger(__name__)

MOST_WAITING = 1_000
# As many as a project has keys: whoever makes and deletes keys without end must not crowd out other people's mails.
MOST_TO_ONE = 100
TRIES = 3
# How many times longer a mail waits after each try than after the one before.
GROWTH = 6
# How long the end of a process waits for a mail server that does not answer.
SECONDS_TO_WAIT = 5


@dataclass(eq=False)
class Waiting:
    """A mail; `about` is the id that the log names it by, which tells nothing of its words or its recipient."""

    message: EmailMessage
    about: str
    tries: int = 0
    due: float = 0.0  # on time.monotonic()'s clock


_waiting: list[Waiting] = []
_changed = threading.Condition()
_sender: threading.Thread | None = None
_stopping = False


def enqueue(messages: list[EmailMessage], *, about: str) -> None:
    """Has `messages` sent soon, each to one person; those beyond MOST_WAITING or MOST_TO_ONE are dropped and logged."""
    global _sender
    with _changed:
        dropped = 0
        for message in messages:
            to_the_same = sum(waiting.message.to == message.to for waiting in _waiting)
            if len(_waiting) < MOST_WAITING and to_the_same < MOST_TO_ONE:
                _waiting.append(Waiting(message, about))
            else:
                dropped += 1
        if dropped:
            logger.error("mails_dropped", about=about, mails=dropped)
        if _sender is None and settings.MAIL_RETRY_SECONDS:
            # If it cannot be started now, it is with the next one.
            _sender = background.start(_send_until_stopped, stop=_stop)
        _changed.notify()


def send_waiting() -> None:
    """Sends what waits in the thread that calls, due or not, until each mail is sent or given up."""
    while waiting := _take():
        _send(waiting)


def _take() -> Waiting | None:
    with _changed:
        first = min(_waiting, key=lambda waiting: waiting.due, default=None)
        if first is not None:
            _waiting.remove(first)
        return first


def _take_when_due() -> Waiting | None:
    """The next mail, once its time has come; None at shutdown, when nothing waits any more."""
    with _changed:
        while not _stopping:
            due = min((waiting.due for waiting in _waiting), default=None)
            seconds = None if due is None else due - time.monotonic()
            if seconds is not None and seconds <= 0:
                break
            _changed.wait(seconds)
    return _take()


def _send(waiting: Waiting) -> None:
    waiting.tries += 1
    try:
        waiting.message.send()
    except Exception as error:
        # Not the error's text: mail servers repeat addresses in it.
        codes = _reply_codes(error)
        facts = {"about": waiting.about, "error": type(error).__name__, "codes": codes}
        # Replies below 500, and the network's errors, may pass (RFC 5321, 4.2.1).
        may_pass = isinstance(error, OSError) and all(code < 500 for code in codes)
        if may_pass and waiting.tries < TRIES and not _stopping:
            logger.warning("mail_not_sent", tries=waiting.tries, **facts)
            waiting.due = time.monotonic() + settings.MAIL_RETRY_SECONDS * GROWTH ** (waiting.tries - 1)
            with _changed:
                _waiting.append(waiting)
        else:
            logger.error("mail_lost", tries=waiting.tries, **facts)


def _reply_codes(error: Exception) -> list[int]:
    """What the mail server replied; nothing where the network failed, or the mail itself is wrong."""
    if isinstance(error, SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    return [error.smtp_code] if isinstance(error, SMTPResponseException) else []


def _send_until_stopped() -> None:
    while waiting := _take_when_due():
        _send(waiting)


def _stop() -> None:
    global _stopping
    with _changed:
        _stopping = True
        _changed.notify()
    if _sender is not None:
        _sender.join(timeout=SECONDS_TO_WAIT)
        if _sender.is_alive():
            logger.error("mails_lost", mails=len(_waiting) + 1)


def _begin_anew() -> None:
    """In a forked process: the parent sends what waits there, and its thread and lock are not ours."""
    global _waiting, _changed, _sender, _stopping
    _waiting, _changed, _sender, _stopping = [], threading.Condition(), None, False


os.register_at_fork(after_in_child=_begin_anew)
