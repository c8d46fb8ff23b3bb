"""Holds back the answer to a change that takes access away, until no process can judge a row from before the change.

An answer that says "that is so already" waits as well: the change that made it so may have been committed just now, and
its own answer may still be held back. So does each answer to a request that was to change something and changed nothing
(answers_held.py), whatever it says: the row, its project or the right may have just gone.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from django.db import transaction

from apikeys.leases import clocks, registration
from common.slow_clients.slots import FairSlots, share, threads

# Anybody may report a leak. Reports have threads of their own, so that they never keep an owner from pausing a key.
CHANGES = FairSlots(max(1, threads() // 2))
REPORTS = FairSlots(share())

MESSAGE = "Too many changes are being made at once. Nothing was changed. Try again in a second."
# For a request that is done. Most of these have changed nothing, but not all changes of the admin are events.
MESSAGE_AFTERWARDS = "Too many changes are being made at once. Try again in a second."
CAUSE = "As many answers are held back as this process may hold at once for all, or for one account (THREADS)."


class TooManyHeld(Exception):
    """As many answers are held back as this process may hold at once, or as it may hold for one account or address."""


@dataclass
class _Answer:
    """The answer that the current thread makes. `who` names the account or the address that asked for it."""

    who: Callable[[], str]
    is_held: bool = False
    has_changed: bool = False
    not_before: float = 0
    give_back: Callable[[], None] | None = None


class _Mine(threading.local):
    answer: _Answer | None = None


_mine = _Mine()
# Whether the last answer met a registration. Without one, no answer is held back and no slot is needed.
_was_registered = False


def hold_answer() -> None:
    """Called by each service that takes access away, before it reads what is to be changed. Raises TooManyHeld.

    Within `one_answer` the answer is held back, once. Elsewhere the commit of the transaction at hand waits.
    """
    answer = _mine.answer
    if answer is None:
        hold_commit()
        return
    if _was_registered:
        _take_slot(answer, CHANGES)
    answer.is_held = True


def note_change() -> None:
    """Called once a change that somebody made is committed. The answer then says what this change did."""
    if answer := _mine.answer:
        answer.has_changed = True


def hold_unchanged() -> None:
    """Called at the end of a request that was to change something. Raises TooManyHeld.

    Its answer is held back if it changed nothing, because it may tell of a change whose answer is still held back.
    """
    answer = _mine.answer
    if answer and not answer.is_held and not answer.has_changed:
        hold_answer()


def hold_report(began: float) -> None:
    """Called once a report has been dealt with, whether or not there was such a key. Raises TooManyHeld.

    The answer goes out at a fixed time after `began`, also without a lease, so that its time does not tell whether a
    key was paused. An answer that cannot be held goes out at an earlier fixed time.
    """
    if answer := _mine.answer:
        answer.not_before = began + clocks.BUSY_REPORT_SECONDS
        _take_slot(answer, REPORTS)
        answer.is_held, answer.not_before = True, began + clocks.REPORT_SECONDS


def hold_commit() -> None:
    """Has the commit of the transaction at hand wait, unless it is part of an answer, which decides for itself."""
    planned = [function for _, function, *_ in transaction.get_connection().run_on_commit]
    if _mine.answer is None and _wait not in planned:
        transaction.on_commit(_wait)


def _take_slot(answer: _Answer, slots: FairSlots) -> None:
    if answer.give_back is not None:
        return
    who = answer.who()
    if not slots.take(who):
        raise TooManyHeld
    answer.give_back = partial(slots.give_back, who)


def _wait() -> None:
    _sleep_until(_end_of_leases())


def _end_of_leases() -> float:
    """When no process can judge a row from before now; 0 if none keeps rows. All that was changed is committed."""
    global _was_registered
    _was_registered = registration.is_anybody_registered()
    return clocks.now() + clocks.HELD_SECONDS if _was_registered else 0


def _sleep_until(moment: float) -> None:
    while (seconds := moment - clocks.now()) > 0:
        time.sleep(seconds)


@contextmanager
def one_answer(who: Callable[[], str] = str) -> Iterator[None]:
    """What a request or a command does until it answers. The answer is held back at the end of this context.

    `who` returns the account or the address that asked; "" for an operator. It is called if an answer is to be held
    back.
    """
    answer = _mine.answer = _Answer(who)
    try:
        yield
    finally:
        _mine.answer = None
        try:
            _sleep_until(max(answer.not_before, _end_of_leases() if answer.is_held else 0))
        finally:
            if answer.give_back:
                answer.give_back()
