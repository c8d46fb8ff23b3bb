"""How many of a process's THREADS each kind of long work may hold, so that some stay free for everything else.

Uploads and downloads hold a quarter each, and signing in holds half of them. Work beyond its share is refused at once,
because a thread that waits helps nobody. Only for signing in, which is short, a few threads wait for a moment.
"""

import threading
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.conf import settings


def threads() -> int:
    """THREADS; 8 for projects that embed only the check (docs/django.md)."""
    return int(getattr(settings, "THREADS", 8))


def share() -> int:
    """The share of one kind of work: a quarter of THREADS, and at least one."""
    return max(1, threads() // 4)


# The threads that work for sign-ins or wait for their turn: password hashing and single sign-on together.
SIGNING_IN = max(3, threads() // 2)


class Slots:
    """A bounded number of slots for one kind of work in this process."""

    def __init__(self, number: int) -> None:
        self._free = threading.BoundedSemaphore(number)

    def take(self, seconds: float = 0) -> bool:
        """Whether a slot became free within `seconds`. The caller then has to give it back."""
        return self._free.acquire(timeout=seconds) if seconds else self._free.acquire(blocking=False)

    def give_back(self) -> None:
        self._free.release()

    def give_back_with(self, answer: Any) -> Callable[[], object]:
        """Gives the slot back once: when the returned function is called, or when `answer` is freed."""
        return weakref.finalize(answer, self.give_back)


_signing_in = Slots(SIGNING_IN)


class FairSlots:
    """Slots of which nobody keeps others out: who holds one gets another only while more than half of all are free."""

    def __init__(self, number: int) -> None:
        self._number, self._held, self._lock = number, Counter[str](), threading.Lock()

    def take(self, who: str) -> bool:
        """Whether a slot was free for `who`. The caller then has to give it back."""
        with self._lock:
            free = self._number - self._held.total()
            if free <= (self._number // 2 if self._held[who] else 0):
                return False
            self._held[who] += 1
            return True

    def give_back(self, who: str) -> None:
        with self._lock:
            self._held[who] -= 1
            if not self._held[who]:
                del self._held[who]  # so that the names of former holders do not stay in memory


class _Depth(threading.local):
    depth = 0  # how many slots the current thread has


class WayIn:
    """The threads that one way to sign in holds: all of SIGNING_IN but one, so that the other way always has one."""

    def __init__(self) -> None:
        self._threads, self._mine = Slots(SIGNING_IN - 1), _Depth()

    def take(self, slots: Slots, seconds: float) -> bool:
        """Whether a slot of `slots` became free within `seconds`. Nobody waits if the way holds all its threads.

        A thread that has a slot already may take one of other `slots`.
        """
        if not self._mine.depth and not self._take_thread():
            return False
        self._mine.depth += 1
        if slots.take(seconds):
            return True
        self._leave()
        return False

    def give_back(self, slots: Slots) -> None:
        """Called in the thread that took the slot."""
        slots.give_back()
        self._leave()

    def _take_thread(self) -> bool:
        if not self._threads.take():
            return False
        if _signing_in.take():
            return True
        self._threads.give_back()
        return False

    def _leave(self) -> None:
        self._mine.depth -= 1
        if not self._mine.depth:
            _signing_in.give_back()
            self._threads.give_back()
