"""Lines about refusals, of which one broken client may cause thousands a second.

Of each kind, a process writes LINES_A_MINUTE lines a minute for an address. It counts the rest, and writes one line
`more_refused` with the numbers when the minute is over. The minute begins with the address's first refusal.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from common.client_address import network_of
from common.security_log import Event, record

LINES_A_MINUTE = 10
MINUTE = 60.0
# All addresses beyond so many share the lines of one.
MOST_ADDRESSES = 1_000
# A line names so many keys.
MOST_KEYS = 5


class _Minute:
    __slots__ = ("codes", "ends", "keys", "lines")

    def __init__(self, ends: float) -> None:
        self.ends, self.lines = ends, 0
        self.codes: Counter[str] = Counter()
        self.keys: dict[str, None] = {}


# By event and network; None stands for all networks beyond MOST_ADDRESSES.
_minutes: dict[tuple[Event, str | None], _Minute] = {}
_next_end = float("inf")
_lock = threading.Lock()
_wake: Callable[[], object] = lambda: None  # noqa: E731


def give(wake: Callable[[], object]) -> None:
    """`wake` makes a thread call `write_summaries` again and again until it returns False."""
    global _wake
    _wake = wake


def record_refusal(
    event: Event, *, address: str | None, code: str, status: int, key: str | None = None, **facts: Any
) -> bool:
    """Writes the line, or counts it. Returns whether it was written."""
    if time.monotonic() >= _next_end:
        write_summaries()
    with _lock:
        # A fault of ours meets everybody at once: all addresses then share the lines of one.
        minute = _minute_of(event, None if status >= 500 else network_of(address))
        minute.lines += 1
        is_written = minute.lines <= LINES_A_MINUTE
        if not is_written:
            minute.codes[code] += 1
            if key and len(minute.keys) < MOST_KEYS:
                minute.keys[key] = None
    if is_written:
        record(event, address=address, code=code, status=status, key=key, **facts)
    else:
        _wake()
    return is_written


def _minute_of(event: Event, network: str | None) -> _Minute:
    """The caller holds the lock."""
    global _next_end
    found = _minutes.get((event, network))
    if found is None and network is not None and len(_minutes) >= MOST_ADDRESSES:
        network = None
        found = _minutes.get((event, network))
    if found is None:
        found = _minutes[event, network] = _Minute(time.monotonic() + MINUTE)
        _next_end = min(_next_end, found.ends)
    return found


def write_summaries() -> bool:
    """Writes the lines of the minutes that are over. Returns whether others have refusals that wait for theirs."""
    return _write_summaries(time.monotonic())


def write_all() -> None:
    """At the end of a process."""
    _write_summaries(float("inf"))


def _write_summaries(now: float) -> bool:
    global _next_end
    with _lock:
        over = [(place, minute) for place, minute in _minutes.items() if minute.ends <= now]
        for place, _ in over:
            del _minutes[place]
        _next_end = min((minute.ends for minute in _minutes.values()), default=float("inf"))
        is_more = any(minute.codes for minute in _minutes.values())
    for (event, network), minute in over:
        if minute.codes:
            facts = {"codes": dict(minute.codes), "keys": [*minute.keys] or None}
            record(Event.MORE_REFUSED, of=str(event), address=network, number=minute.codes.total(), **facts)
    return is_more


def forget() -> None:
    """For a forked process: the parent writes what it counted, and its lock may be held."""
    global _lock, _next_end
    _lock, _next_end = threading.Lock(), float("inf")
    _minutes.clear()


os.register_at_fork(after_in_child=forget)
