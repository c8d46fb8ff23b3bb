"""Spends limits in memory, out of blocks that were reserved in the database. No request is ever let in beyond a limit.

A block belongs to one window and to one value of the limit. It ends by CLOCK_BOOTTIME, counted from before its
reservation was sent: the clock goes on while the process is stopped or the machine sleeps, and nobody can set it. So a
process that was stopped spends nothing of a window that has ended. What a dead process held is lost until the window
ends, which only makes refusals come earlier (docs/decisions/0014).

A process that finds a limit used up refuses requests of that cost from memory, and asks again after 1, 2, 4 … seconds
and then each minute, because others may give something back.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import ceil
from typing import NamedTuple

import structlog
from django.db import DEFAULT_DB_ALIAS, Error, OperationalError, connections

from apikeys import writer_thread
from apikeys.bounds.restrictions import Limit
from apikeys.limits.reserving import Reserved, ends_of, give_back, reserve
from common import database_deadline

logger = structlog.get_logger(__name__)

# A block that nobody has used for this long is given back.
QUIET_SECONDS = 1.0
# How many limits a process keeps blocks of. Beyond it the oldest is given back.
MOST_BLOCKS = 10_000
# A reservation whose answer comes after its window is asked for again, after 1, 2, 4 … milliseconds: a process ends its
# window early by the way to the database, which still counts on in it.
_TRIES = 8
_FIRST_PAUSE = 0.001
# The longest time after which a process that found a limit used up asks again.
_LONGEST_WAIT = 60.0

_clock = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Budget(NamedTuple):
    """One limit of a key or a project: the name of its row, and its value."""

    name: str
    limit: Limit


class Taken(NamedTuple):
    """Whether a request may be counted, what is left of the limit, and in how many seconds its window ends.

    `starts` is the window, in which an allowed request can be taken back, and `length` all of its seconds.
    """

    is_allowed: bool
    left: int
    seconds: int
    starts: int
    length: int


class _Block:
    """What this process holds of a limit. `left_for_all` was left for everybody at the last reservation."""

    __slots__ = (
        "ask_again",
        "ends",
        "left",
        "left_for_all",
        "length",
        "limit",
        "refused_cost",
        "starts",
        "used_at",
        "wait",
    )

    def __init__(self, limit: Limit, starts: int, ends: float) -> None:
        self.limit, self.starts, self.ends = limit, starts, ends
        self.length = ends_of(starts, limit.window) - starts
        self.left = self.left_for_all = 0
        # The smallest cost that no longer fitted (0: none did), and when it is asked for again.
        self.refused_cost, self.ask_again, self.wait = 0, 0.0, 1.0
        self.used_at = 0.0

    def taken(self, is_allowed: bool, now: float) -> Taken:
        return Taken(is_allowed, self.left + self.left_for_all, max(1, ceil(self.ends - now)), self.starts, self.length)


_blocks: dict[str, _Block] = {}
# What waits to be given back: name, window and number.
_to_give_back: list[tuple[str, int, int]] = []
_lock = threading.Lock()
# One thread of a process reserves a limit at a time. The others use what it got.
_turns = [threading.Lock() for _ in range(64)]


def take(budget: Budget, cost: int) -> Taken:
    """Counts a request of that cost, at least 1 and at most the limit, if the limit allows it.

    Raises Django's database errors; then nothing is counted and nobody may be let in.
    """
    if _is_in_transaction():
        return _taken_exactly(budget, cost)
    if taken := _take_from_memory(budget, cost):
        return taken
    with _turn_of(budget.name):
        for number in range(_TRIES):
            if taken := _take_from_memory(budget, cost):
                return taken
            # The second time for all of the cost: meanwhile others may have used what was held.
            needed = cost if number else max(1, cost - _held(budget))
            began = _clock()
            with database_deadline.Begun():
                reserved = reserve(budget.name, budget.limit.amount, budget.limit.window, needed)
            if taken := _take_from(reserved, budget, cost, began):
                return taken
            time.sleep(_FIRST_PAUSE * 2**number)
    raise OperationalError("The database answered after the end of the limit's window.")


def take_from_memory(budgets: Sequence[Budget], cost: int) -> list[Taken] | None:
    """Counts a request of that cost in all of the limits, if this process holds enough of each; otherwise None."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.in_atomic_block or not database.autocommit:
        return None
    with _lock:
        now, found = _clock(), []
        for budget in budgets:
            block = _blocks.get(budget.name)
            if block is None or block.left < cost or now >= block.ends or block.limit != budget.limit:
                return None
            found.append(block)
        for block in found:
            block.left -= cost
            block.used_at = now
        return [block.taken(True, now) for block in found]


def _is_in_transaction() -> bool:
    """Whether the caller's transaction may be rolled back, and a reservation with it: then nothing of it is kept."""
    database = connections[DEFAULT_DB_ALIAS]
    return database.in_atomic_block or not database.get_autocommit()


def _taken_exactly(budget: Budget, cost: int) -> Taken:
    got = reserve(budget.name, budget.limit.amount, budget.limit.window, cost, exactly=True)
    length = ends_of(got.starts, budget.limit.window) - got.starts
    return Taken(got.block >= cost, got.left, max(1, ceil(got.seconds)), got.starts, length)


def _take_from_memory(budget: Budget, cost: int) -> Taken | None:
    """None if the database has to be asked."""
    with _lock:
        block, now = _blocks.get(budget.name), _clock()
        if block is None or block.limit != budget.limit or now >= block.ends:
            return None
        if block.left >= cost:
            block.left -= cost
            block.used_at = now
            return block.taken(True, now)
        if block.refused_cost and cost >= block.refused_cost and now < block.ask_again:
            return block.taken(False, now)
        return None


def _held(budget: Budget) -> int:
    """What is left of the block, less than the cost that is to be taken."""
    with _lock:
        block = _blocks.get(budget.name)
        return block.left if block and block.limit == budget.limit and _clock() < block.ends else 0


def _take_from(reserved: Reserved, budget: Budget, cost: int, began: float) -> Taken | None:
    """Takes the cost from what a reservation got, and keeps the rest. `began` is the time before it was sent.

    None if the window has ended by now, or if the cost needs another reservation.
    """
    with _lock:
        now, ends = _clock(), began + reserved.seconds
        if now >= ends:
            return None
        block = _block_for(budget, reserved.starts, ends)
        # The window of a block that is held already ends later by now if the database's clock was set back.
        block.ends, block.left_for_all, block.used_at = ends, reserved.left, now
        block.left += reserved.block
        is_allowed = block.left >= cost
        if is_allowed:
            block.left -= cost
            block.refused_cost, block.wait = 0, 1.0
        elif not reserved.block:
            block.refused_cost, block.ask_again = cost, now + block.wait
            block.wait = min(2 * block.wait, _LONGEST_WAIT)
        if len(_blocks) > MOST_BLOCKS:
            _drop(next(iter(_blocks)))
        taken = block.taken(is_allowed, now)
    writer_thread.wake()
    return taken if is_allowed or not reserved.block else None


def _block_for(budget: Budget, starts: int, ends: float) -> _Block:
    """The block of this window and of this value of the limit. The caller holds the lock."""
    block = _blocks.get(budget.name)
    if block is None or block.limit != budget.limit or block.starts != starts:
        _drop(budget.name)
        block = _blocks[budget.name] = _Block(budget.limit, starts, ends)
    return block


def _drop(name: str) -> None:
    """Forgets a block; what it holds is given back. The caller holds the lock."""
    if (block := _blocks.pop(name, None)) and block.left and _clock() < block.ends:
        _to_give_back.append((name, block.starts, block.left))


def take_back(budget: Budget, cost: int, taken: Taken) -> None:
    """Undoes `take` for a request that another limit refuses."""
    if _is_in_transaction():
        give_back(budget.name, taken.starts, cost)
        return
    with _lock:
        block = _blocks.get(budget.name)
        if block and block.limit == budget.limit and block.starts == taken.starts:
            block.left += cost
        else:
            _to_give_back.append((budget.name, taken.starts, cost))


@contextmanager
def _turn_of(name: str) -> Iterator[None]:
    turn = _turns[hash(name) % len(_turns)]
    if not turn.acquire(timeout=database_deadline.SECONDS):
        raise OperationalError("Another request waits for the database with the same limit.")
    try:
        yield
    finally:
        turn.release()


def give_back_quiet() -> None:
    """Gives back the blocks that nobody has used for a second. The writer's thread calls it each turn."""
    quiet_since = _clock() - QUIET_SECONDS
    with _lock:
        for name in [name for name, block in _blocks.items() if block.left and block.used_at <= quiet_since]:
            _drop(name)
        for name in [name for name, block in _blocks.items() if block.ends <= quiet_since]:
            del _blocks[name]
        is_any_held = any(block.left for block in _blocks.values())
    _give_back_now()
    if is_any_held:
        writer_thread.wake()


def give_back_all() -> None:
    """Gives back all blocks, at the end of a process."""
    with _lock:
        for name in [*_blocks]:
            _drop(name)
    _give_back_now()


def _give_back_now() -> None:
    """What cannot be given back now is lost until its window ends: a statement whose answer was lost may have counted,
    and to give back twice would let requests in beyond the limit.
    """
    with _lock:
        waiting, _to_give_back[:] = [*_to_give_back], []
    for name, starts, number in waiting:
        try:
            with database_deadline.Begun():
                give_back(name, starts, number)
        except Error as error:
            logger.warning("budget_not_given_back", budget=name, number=number, error=type(error).__name__)


def number() -> int:
    """Of how many limits this process holds something that it can spend."""
    return sum(block.left > 0 for block in [*_blocks.values()])


def _begin_anew() -> None:
    """For a forked process: the parent holds the blocks, and its locks may be held."""
    global _lock, _turns
    _lock, _turns = threading.Lock(), [threading.Lock() for _ in _turns]
    _blocks.clear()
    _to_give_back.clear()


os.register_at_fork(after_in_child=_begin_anew)
