"""A time budget for the database, per request, and a circuit breaker for a database that stops answering.

A frozen database server has a kernel that keeps its connections alive, so neither the server's time limits nor TCP's
end a wait. The client's own limit ends it here. Threads are few: if every request waited for its whole budget, the
requests behind it would wait too. So after the database has been silent, the circuit opens: requests are refused at
once, except one that keeps asking.

Commands and migrations have no budget, because they never call `begin`.
"""

import threading
import time
from types import TracebackType

from psycopg import OperationalError
from psycopg.errors import ConnectionTimeout

# Longer than the server's statement_timeout: a server that works reports the timeout itself.
SECONDS = 4.0
# Longer than lock_timeout: a request that waits for a lock must not open the circuit for everybody.
SECONDS_OF_SILENCE = 3.2
# Shorter than connect_timeout: connecting waits for no lock.
SECONDS_TO_CONNECT = 2.5
SECONDS_BETWEEN_TRIES = 0.5


class NoAnswer(OperationalError):
    """The database did not answer in time, or the circuit is open."""


class _Mine(threading.local):
    left: float | None = None  # seconds that this thread may still wait; None: as long as it takes
    until: float | None = None  # the end of the wait at hand


_mine = _Mine()
_lock = threading.Lock()
_answered_at = 0.0
# While the circuit is open: when the next request may ask the database.
_next_try: float | None = None


def begin(seconds: float | None = None) -> None:
    """Gives this thread a new budget for the database, of SECONDS unless given."""
    _mine.left = SECONDS if seconds is None else seconds


class Begun:
    """A context with a budget of SECONDS unless given; an outer context's budget goes on."""

    __slots__ = ("_is_first", "_seconds")

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._is_first = _mine.left is None
        if self._is_first:
            begin(self._seconds)

    def __exit__(self, *exception: object) -> None:
        if self._is_first:
            _mine.left = None


class Wait:
    """One wait for the database. The code that waits raises NoAnswer once `is_over` says so.

    Entering raises NoAnswer if this thread has used up its budget, or if the circuit is open and another thread is
    asking.
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
            # An error that the database returns is an answer, too.
            _answered_at, _next_try = now, None
            return
        enough = SECONDS_TO_CONNECT if issubclass(kind, ConnectionTimeout) else SECONDS_OF_SILENCE
        if _next_try is not None or now - max(self._began, _answered_at) >= enough:
            _next_try = now + SECONDS_BETWEEN_TRIES


def seconds_left() -> float | None:
    """What is left of the current wait, in seconds; None without a budget."""
    return None if _mine.until is None else max(0.0, _mine.until - time.monotonic())


def is_over() -> bool:
    return seconds_left() == 0


def _may_try(now: float) -> bool:
    """Whether this thread may ask a silent database. The next thread may when this one's budget is over."""
    global _next_try
    with _lock:
        if _next_try is not None and now < _next_try:
            return False
        _next_try = None if _next_try is None else now + SECONDS
        return True
