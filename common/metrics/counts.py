"""Counts of this process, in memory. The check counts each request here, which takes about 0.3 microseconds: a tenth of
what a counter and a histogram of prometheus_client take if several processes share them.

No count names a key, a project or a person: labels are codes of our own.
"""

import os
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

# The upper ends of the histogram of checks, in seconds. A check that judges a kept row takes some 0.00005.
BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0)


class Total(StrEnum):
    """What only grows. The sum of a server goes on when one of its processes ends."""

    CHECKS = "checks"
    CHECK_BUCKETS = "check_buckets"
    CHECK_SECONDS = "check_seconds"
    DATABASE_ERRORS = "database_errors"
    EMAILS_LOST = "emails_lost"
    USAGE_DROPPED = "usage_dropped"


# By counter and label: the count. "" is the label of a counter that has none.
Counted = dict[str, dict[str, float]]

_checks: dict[str, int] = defaultdict(int)
_buckets = [0] * (len(BUCKETS) + 1)
_seconds = 0.0
_others: dict[str, dict[str, float]] = {}
_told: dict[str, tuple[float, dict[str, float]]] = {}
_gauges: dict[str, Callable[[], float]] = {}
_lock = threading.Lock()


def check(outcome: str, seconds: float) -> None:
    """Counts a check that ended with `outcome` after so many seconds."""
    global _seconds
    with _lock:
        _checks[outcome] += 1
        _buckets[bisect_left(BUCKETS, seconds)] += 1
        _seconds += seconds


def add(counter: Total, number: float = 1, label: str = "") -> None:
    with _lock:
        labels = _others.setdefault(counter, {})
        labels[label] = labels.get(label, 0) + number


def give(name: str, read: Callable[[], float]) -> None:
    """`read` says how much of something this process has in memory. It is called about once a second."""
    _gauges[name] = read


def tell(name: str, numbers: Mapping[str, float]) -> None:
    """What one process of all found in the database, by label. The newest word of a server's processes counts."""
    with _lock:
        _told[name] = time.monotonic(), dict(numbers)


def snapshot() -> dict[str, Any]:
    """All of it, as JSON can write it."""
    with _lock:
        counted: Counted = {name: dict(labels) for name, labels in _others.items()}
        counted[Total.CHECKS] = dict(_checks)
        counted[Total.CHECK_BUCKETS] = {str(place): number for place, number in enumerate(_buckets) if number}
        counted[Total.CHECK_SECONDS] = {"": _seconds}
        told = dict(_told)
    return {"counted": counted, "gauges": {name: read() for name, read in _gauges.items()}, "told": told}


def sum_of(*counted: Counted) -> Counted:
    total: Counted = {}
    for each in counted:
        for name, labels in each.items():
            into = total.setdefault(name, {})
            for label, number in labels.items():
                into[label] = into.get(label, 0) + number
    return total


def forget() -> None:
    """For a forked process: the parent keeps its counts, and its lock may be held."""
    global _lock, _seconds
    _lock, _seconds = threading.Lock(), 0.0
    _buckets[:] = [0] * len(_buckets)
    for counted in (_checks, _others, _told):
        counted.clear()


os.register_at_fork(after_in_child=forget)
