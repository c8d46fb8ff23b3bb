"""Counts failed keys by address. After FAILED_KEYS_PER_MINUTE in a minute, further failed keys are answered 429.

A good key is never rejected for it (docs/decisions/0008). A failure costs a dictionary write in this process, whose own
limit holds at once. A thread (apikeys/writer_thread.py) adds new failures to the cache that all processes share and
reads the sums back, so that the limit holds for all processes within about a second. Without that cache each process
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
# The default for projects that embed only the check (docs/django.md).
DEFAULT_LIMIT = 60
# After this many addresses in a minute, further addresses are not counted. They take about 3 MB.
MOST_COUNTED = 10_000
# How many addresses a process shares at once; those with the most failures come first.
MOST_SHARED = 200
# If a process dies while it adds, the others wait this long.
LOCK_SECONDS = 5
LOCK_TRIES, LOCK_RETRY_SECONDS = 25, 0.02


class _Count:
    """`new` failures are not shared yet; `shared` is the sum of all processes when it was last read."""

    __slots__ = ("new", "shared")

    def __init__(self) -> None:
        self.new = self.shared = 0


_counts: dict[str, _Count] = {}
_window = 0
_lock = threading.Lock()


def record_failure(address: str | None) -> bool:
    """Counts a key that failed from `address`, and returns whether the address is over its limit.

    It costs a dictionary write, and never asks cache or database.
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
    """Adds new failures to the sums of all processes. If that fails, they stay new until the next turn."""
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
    """Adds the `new` failures and returns the sums; no sums if another process keeps the lock.

    The lock is needed because `incr` of the database cache reads and then writes: two processes at once would lose
    failures.
    """
    if not _lock_cache():
        return {}
    try:
        keys = {network: f"latchkey:failed:{window}:{network}" for network in new}
        before = cache.get_many(keys.values())
        sums = {network: before.get(keys[network], 0) + failures for network, failures in new.items()}
        # Twice the window, because clocks differ.
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
    """The caller holds the lock."""
    global _window
    window = int(time.time()) // WINDOW_SECONDS
    if window != _window:
        _window = window
        _counts.clear()


def _begin_anew() -> None:
    """For a forked process: the parent shares the failures that it counted, and its lock may be held."""
    global _lock
    _lock = threading.Lock()
    _counts.clear()


os.register_at_fork(after_in_child=_begin_anew)
