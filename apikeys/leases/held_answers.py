"""Holds back the answer to a change that takes access away, until no process can judge a row from before the change."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from apikeys.leases import clocks, registration
from common.slow_clients.slots import THREADS, Slots, share

# Anybody may report a leak. Reports have threads of their own, so that they never keep an owner from pausing a key.
CHANGES = Slots(max(1, THREADS // 2))
REPORTS = Slots(share())


MESSAGE = "As many changes are being made as this server makes at once. Nothing was changed. Try again in a second."


class TooManyHeld(Exception):
    """As many answers are held back as this process may hold at once. Nothing was changed."""


class _Mine(threading.local):
    is_answering = False
    slots: Slots | None = None
    until: float | None = None


_mine = _Mine()
# Whether the last change met a registration. Without one, no answer is held back and no slot is needed.
_was_registered = False


def hold_answer() -> None:
    """Called in the transaction of a change that takes access away, as often as is simple. Raises TooManyHeld.

    Within a request, the request's answer is held back, once. Elsewhere the commit itself waits.
    """
    take_slot(CHANGES)
    if all(function is not _hold for _, function, *_ in transaction.get_connection().run_on_commit):
        transaction.on_commit(_hold)


def take_slot(slots: Slots) -> None:
    """Takes a slot for the answer of this request, if it has none yet and may need one. Raises TooManyHeld."""
    if _mine.is_answering and _mine.slots is None and _was_registered:
        if not slots.take():
            raise TooManyHeld
        _mine.slots = slots


def _hold() -> None:
    global _was_registered
    _was_registered = registration.is_anybody_registered()
    if not _was_registered:
        return
    _mine.until = clocks.now() + clocks.HELD_SECONDS
    if not _mine.is_answering:
        _wait()


def _wait() -> None:
    while _mine.until is not None and (seconds := _mine.until - clocks.now()) > 0:
        time.sleep(seconds)
    _mine.until = None


@contextmanager
def one_answer() -> Iterator[None]:
    """All changes within are answered at its end."""
    _mine.is_answering = True
    try:
        yield
    finally:
        _mine.is_answering = False
        _wait()
        slots, _mine.slots = _mine.slots, None
        if slots:
            slots.give_back()
