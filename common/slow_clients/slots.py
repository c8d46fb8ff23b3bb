"""How many of a process's THREADS each kind of long work may hold, so that some stay free for everything else.

Password hashing (with its queue), uploads and downloads together hold at most 7 of 8 threads. Work beyond its share is
refused at once, because a thread that waits helps nobody. Short work has a queue: a few threads wait for a moment.
"""

import threading
import weakref
from collections.abc import Callable
from typing import Any

from django.conf import settings


def share() -> int:
    """The share of one kind of work: a quarter of THREADS, and at least one."""
    return int(max(1, settings.THREADS // 4))


class Slots:
    """A bounded number of slots for one kind of work in this process."""

    def __init__(self, number: int) -> None:
        self._free = threading.BoundedSemaphore(number)

    def take(self, seconds: float = 0) -> bool:
        """Whether a slot became free within `seconds`. The caller then has to give it back."""
        return self._free.acquire(timeout=seconds) if seconds else self._free.acquire(blocking=False)

    def give_back(self) -> None:
        self._free.release()

    def take_in_turn(self, queue: "Slots", seconds: float) -> bool:
        """The same for work with a queue: only a request that has a slot of `queue` waits."""
        if self.take():
            return True
        if not queue.take():
            return False
        try:
            return self.take(seconds)
        finally:
            queue.give_back()

    def give_back_with(self, answer: Any) -> Callable[[], object]:
        """Gives the slot back once: when the returned function is called, or when `answer` is freed."""
        return weakref.finalize(answer, self.give_back)
