"""Counts failed keys by address: more than FAILED_KEYS_PER_MINUTE in a minute, and further ones are answered 429.

A good key is never refused for it (docs/decisions/0008). Counting is a dictionary write in this process, whose own
limit holds at once. A thread (apikeys/writer_thread.py) adds what is new to the cache that all processes share, and
reads the sums back, so that the limit holds for all of them within about a second. Without that cache each process
counts for itself.
"""

import heapq
import os
import threading
import time
from operator import itemgetter

import structlog
from django.conf import settings
from django.core.cache import cache

from apikeys import writer_thread
from common import database_deadline
from common.client_address import network_of

logger = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
# Where a project that only checks keys sets nothing (docs/django.md).
DEFAULT_LIMIT = 60
# Beyond this many in a minute further addresses are not counted: about 3 MB.
MOST_COUNTED = 10_000
# How many of them a process shares at once, those with most failures first.
MOST_SHARED = 200
# A process that dies while it adds holds the others up for that long.
LOCK_SECONDS = 5
LOCK_TRIES, LOCK_RETRY_SECONDS = 25, 0.02


class _Count:
    """`new` failures that nobody else knows of, and the `shared` sum of all processes when last read."""

    __slots__ = ("new", "shared")

    def __init__(self) -> None:
        self.new = self.shared = 0


_counts: dict[str, _Count] = {}
_window = 0
_lock = threading.Lock()


def record_failure(address: str | None) -> bool:
    """Counts a key that failed from `address`.

    Returns whether that was one too many. Costs a dictionary write, and never asks cache or database.
    """
    limit = _limit()
    if not limit:
        return False
    network = network_of(address)
    with _lock:
        _begin_window()
        count = _counts.get(network)
        if count is None:
            if len(_counts) >= MOST_COUNTED:
                return False
            count = _counts[network] = _Count()
        count.new += 1
        is_too_many = count.new + count.shared > limit
    writer_thread.wake()
    return is_too_many


def share() -> None:
    """Adds what is new to the sums of all processes. Nothing is lost where that fails: it is new the next time."""
    with _lock:
        _begin_window()
        window, new = _window, {network: count.new for network, count in _counts.items() if count.new}
    if not new:
        return
    busiest = dict(heapq.nlargest(MOST_SHARED, new.items(), key=itemgetter(1)))
    try:
        with database_deadline.Begun():
            sums = _add(window, busiest)
    except Exception as error:  # each kind of cache has its own
        logger.warning("failed_keys_not_shared", error=type(error).__name__)
        return
    with _lock:
        if window != _window:
            return
        for network, shared in sums.items():
            _counts[network].new -= busiest[network]
            _counts[network].shared = shared


def _add(window: int, new: dict[str, int]) -> dict[str, int]:
    """The sums, with `new` in them; none if other processes keep the lock.

    The database cache's `incr` reads and then writes, so two processes would lose one's failures without a lock.
    """
    if not _lock_cache():
        return {}
    try:
        keys = {network: f"latchkey:failed:{window}:{network}" for network in new}
        before = cache.get_many(keys.values())
        sums = {network: before.get(keys[network], 0) + failures for network, failures in new.items()}
        # Twice the window, for clocks that differ.
        cache.set_many({keys[network]: value for network, value in sums.items()}, timeout=2 * WINDOW_SECONDS)
        return sums
    finally:
        cache.delete("latchkey:failed:lock")


def _lock_cache() -> bool:
    for _ in range(LOCK_TRIES):
        if cache.add("latchkey:failed:lock", 1, timeout=LOCK_SECONDS):
            return True
        time.sleep(LOCK_RETRY_SECONDS)
    return False


def _limit() -> int:
    return int(getattr(settings, "FAILED_KEYS_PER_MINUTE", DEFAULT_LIMIT))


def _begin_window() -> None:
    """Called with the lock held."""
    global _window
    window = int(time.time()) // WINDOW_SECONDS
    if window != _window:
        _window = window
        _counts.clear()


def _begin_anew() -> None:
    """In a forked process: the parent shares what it has counted, and its lock is not ours."""
    global _lock
    _lock = threading.Lock()
    _counts.clear()


os.register_at_fork(after_in_child=_begin_anew)
