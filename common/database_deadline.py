"""How long those who serve wait for the database: a request a few seconds in all, a silent database not at all.

A server that is frozen still has a kernel that keeps its connections alive, so no time limit of its own or of TCP's
ends a wait. Here the client's does. And threads are few: if every request waited its time, those behind would wait
for theirs first. So once the database has been silent, requests are refused at once, but for one that keeps asking.

Commands and migrations have no limit, for they never begin to count.
"""

import threading
import time
from types import TracebackType

from psycopg import OperationalError
from psycopg.errors import ConnectionTimeout

# Above the server's own statement_timeout, so that where the server works it is the one to say so.
SECONDS = 4.0
# Longer than lock_timeout: who has waited for something before, and now for a lock, must not speak for the database.
SECONDS_OF_SILENCE = 3.2
# Shorter than connect_timeout: no lock is waited for in connecting.
SECONDS_TO_CONNECT = 2.5
SECONDS_BETWEEN_TRIES = 0.5


class NoAnswer(OperationalError):
    """The database did not answer in time, or has not answered others just now."""


class _Mine(threading.local):
    left: float | None = None  # seconds that this thread may still wait; None: as long as it takes
    until: float | None = None  # the end of the wait at hand


_mine = _Mine()
_lock = threading.Lock()
_answered_at = 0.0
# While the database is silent: when somebody may ask it again.
_next_try: float | None = None


def begin() -> None:
    """From now on this thread waits SECONDS in all, until it begins anew."""
    _mine.left = SECONDS


class Begun:
    """Within, this thread waits SECONDS in all; or what is left to it, if it has begun already."""

    __slots__ = ("_is_first",)

    def __enter__(self) -> None:
        self._is_first = _mine.left is None
        if self._is_first:
            begin()

    def __exit__(self, *exception: object) -> None:
        if self._is_first:
            _mine.left = None


class Wait:
    """One wait for the database. Whoever waits raises NoAnswer when it `is_over`.

    Entering raises NoAnswer if this thread has no time left, or if the database is silent and others ask it.
    """

    __slots__ = ("_began",)

    def __enter__(self) -> None:
        self._began = time.monotonic()
        left = _mine.left
        if left is not None:
            if left <= 0 or (_next_try is not None and not _may_try(self._began)):
                raise NoAnswer("The database does not answer.")
            _mine.until = self._began + left

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _answered_at, _next_try
        now = time.monotonic()
        if _mine.until is not None:
            _mine.left, _mine.until = _mine.until - now, None
        if kind is None or not issubclass(kind, NoAnswer | ConnectionTimeout):
            # A refusal is an answer, too.
            _answered_at, _next_try = now, None
            return
        enough = SECONDS_TO_CONNECT if issubclass(kind, ConnectionTimeout) else SECONDS_OF_SILENCE
        if _next_try is not None or now - max(self._began, _answered_at) >= enough:
            _next_try = now + SECONDS_BETWEEN_TRIES


def seconds_left() -> float | None:
    """Of the wait at hand; None where there is no limit."""
    return None if _mine.until is None else max(0.0, _mine.until - time.monotonic())


def is_over() -> bool:
    return seconds_left() == 0


def _may_try(now: float) -> bool:
    """Whether this thread is the one who asks. The next may when it has had its time."""
    global _next_try
    with _lock:
        if _next_try is not None and now < _next_try:
            return False
        _next_try = None if _next_try is None else now + SECONDS
        return True
