"""Counts every request by key, outcome and hour, with the time and address of the last one, and by address.

The hot path counts in memory. A thread (apikeys/writer_thread.py) writes the counts: at once after a quiet second,
otherwise about every second, and once more at shutdown. A process that is killed loses at most that second. While the
database is away nothing is lost until MOST_NOTED different counts wait for it, with their addresses about 75 MB.
"""

import os
import threading
from itertools import accumulate
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection

from apikeys import writer_thread
from apikeys.usage import caller_bounds, writing
from apikeys.usage.writing import HOUR_SECONDS, Noted
from common import database_deadline, outages
from common.metrics import counts
from common.metrics.counts import Total

logger = structlog.get_logger(__name__)

# A count is for one key, outcome and hour. At this number, known counts go on and new ones are dropped.
MOST_NOTED = 100_000
# Pausing a key waits while a batch that contains it is written (about 0.1 s for this many). Larger batches are no
# faster.
MOST_WRITTEN = 500
# The same for the addresses of a batch. One count may have more than MOST_A_DAY of them.
MOST_CALLERS_WRITTEN = 1_000

Place = tuple[int | None, str, int]

_notes: dict[Place, list[Any]] = {}  # [calls, last at, last address, callers], changed in place
_dropped = 0
_at_hand = 0  # counts that are being written
_lock = threading.Lock()
_writing = threading.Lock()


def record(key_pk: int, outcome: str, at: float, address: str | None) -> None:
    """Counts a request with a key, at `at` seconds since 1970. It costs two dictionary writes."""
    caller = caller_bounds.caller_of(address)
    with _lock:
        note = _count((key_pk, outcome, int(at) // HOUR_SECONDS), 1, at, address)
        if note is not None:
            caller_bounds.note(note[3], key_pk, caller, at)
    writer_thread.wake()


def record_unmatched(at: float) -> None:
    """Counts a rejected request that matches no key, by its hour only."""
    with _lock:
        _count((None, "", int(at) // HOUR_SECONDS), 1, at, None)
    writer_thread.wake()


def _count(place: Place, calls: int, at: float, address: str | None) -> list[Any] | None:
    """The note of the place, None if it was dropped. The caller holds the lock."""
    global _dropped
    note = _notes.get(place)
    if note is not None:
        note[0] += calls
        if at >= note[1]:
            note[1], note[2] = at, address
    elif len(_notes) < MOST_NOTED:
        note = _notes[place] = [calls, at, address, {}]
    else:
        _dropped += calls
    return note


def waiting() -> int:
    """How many counts the database does not have yet."""
    return len(_notes) + _at_hand


def flush() -> None:
    """Writes the counts. If the database is away nothing is lost: the counts stay for the next turn."""
    if not _writing.acquire(timeout=writer_thread.SECONDS_TO_WAIT):
        logger.error("usage_not_written", counts=len(_notes) + _at_hand)
        return
    try:
        _write(_take())
    finally:
        _writing.release()


def _write(waiting: list[Noted]) -> None:
    global _at_hand
    while _at_hand := len(waiting):
        batch = waiting[: _fit(waiting)]
        try:
            with database_deadline.Begun():
                # The server is asked before each batch. A batch that is sent to a frozen server would be written when
                # it thaws, and then once more by this process, which has given it up.
                connection.health_check_done = False  # type: ignore[attr-defined]  # the stubs lack it
                writing.write(batch)
        except (OperationalError, InterfaceError) as error:
            outages.count(error)
            logger.warning("usage_not_written", counts=_at_hand)
            _at_hand = 0
            _put_back(waiting)
            return
        except Exception:
            # The counts themselves are at fault, not the server. If they were kept, they would block later ones.
            calls = sum(noted.calls for noted in batch)
            logger.exception("usage_dropped", calls=calls)
            counts.add(Total.USAGE_DROPPED, calls)
        waiting = waiting[len(batch) :]
        writer_thread.note_progress()


def _fit(waiting: list[Noted]) -> int:
    """How many of the counts, at least one, are written together."""
    callers = accumulate(len(noted.callers) for noted in waiting[:MOST_WRITTEN])
    return max(1, sum(number <= MOST_CALLERS_WRITTEN for number in callers))


def _take() -> list[Noted]:
    global _notes, _dropped
    with _lock:
        taken, _notes = _notes, {}
        dropped, _dropped = _dropped, 0
        caller_bounds.begin_turn()
    if dropped:
        logger.error("usage_dropped", calls=dropped)
        counts.add(Total.USAGE_DROPPED, dropped)
    return [Noted(*place, *note) for place, note in taken.items()]


def _put_back(batch: list[Noted]) -> None:
    with _lock:
        for noted in batch:
            place = (noted.key_pk, noted.outcome, noted.hour)
            note = _count(place, noted.calls, noted.last_at, noted.last_address)
            if note is not None:
                caller_bounds.put_back(note[3], noted.callers)
    writer_thread.wake()


def _begin_anew() -> None:
    """For a forked process: the parent writes the counts that it has, and its locks may be held."""
    global _notes, _dropped, _at_hand, _lock, _writing
    _notes, _dropped, _at_hand = {}, 0, 0
    _lock, _writing = threading.Lock(), threading.Lock()
    caller_bounds.begin_anew()


os.register_at_fork(after_in_child=_begin_anew)
