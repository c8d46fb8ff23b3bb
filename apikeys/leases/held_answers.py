"""Holds back the answer to a change that takes access away, until no process can judge a row from before the change.

An answer that says "that is so already" waits as well: the change that made it so may have been committed just now, and
its own answer may still be held back.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from apikeys.leases import clocks, registration
from common.slow_clients.slots import Slots, share, threads

# Anybody may report a leak. Reports have threads of their own, so that they never keep an owner from pausing a key.
CHANGES = Slots(max(1, threads() // 2))
REPORTS = Slots(share())

MESSAGE = "As many changes are being made as this server makes at once. Nothing was changed. Try again in a second."


class TooManyHeld(Exception):
    """As many answers are held back as this process may hold at once."""


class _Mine(threading.local):
    is_answering = False
    is_held = False
    slots: Slots | None = None


_mine = _Mine()
# Whether the last answer met a registration. Without one, no answer is held back and no slot is needed.
_was_registered = False


def hold_answer(slots: Slots = CHANGES) -> None:
    """Called by each service that takes access away, before it reads what is to be changed. Raises TooManyHeld.

    Within `one_answer` the answer is held back, once. Elsewhere the commit of the transaction at hand waits.
    """
    if _mine.is_answering:
        _take_slot(slots)
        _mine.is_held = True
    else:
        hold_commit()


def hold_commit() -> None:
    """Has the commit of the transaction at hand wait, unless it is part of an answer, which decides for itself."""
    planned = [function for _, function, *_ in transaction.get_connection().run_on_commit]
    if not _mine.is_answering and _wait not in planned:
        transaction.on_commit(_wait)


def _take_slot(slots: Slots) -> None:
    if _mine.slots is None and _was_registered:
        if not slots.take():
            raise TooManyHeld
        _mine.slots = slots


def _wait() -> None:
    """Waits if anybody may keep rows. All that was changed or read is committed by now."""
    global _was_registered
    _was_registered = registration.is_anybody_registered()
    until = clocks.now() + clocks.HELD_SECONDS
    while _was_registered and (seconds := until - clocks.now()) > 0:
        time.sleep(seconds)


@contextmanager
def one_answer() -> Iterator[None]:
    """What a request does, from its beginning to its answer. The answer is held back at the end of this context."""
    _mine.is_answering = True
    try:
        yield
    finally:
        is_held, slots = _mine.is_held, _mine.slots
        _mine.is_answering, _mine.is_held, _mine.slots = False, False, None
        try:
            if is_held:
                _wait()
        finally:
            if slots:
                slots.give_back()
