"""How many of a process's THREADS each kind of long work may hold, so that some are always free for the rest.

Passwords that are hashed or wait for it, uploads and downloads together hold at most 7 of 8 threads. Beyond its share,
work of a kind is refused at once: a thread that waits helps nobody.
"""

import threading
import weakref
from collections.abc import Callable
from typing import Any

from django.conf import settings


def share() -> int:
    """What may be at hand of one kind: a quarter of THREADS, and at least one."""
    return int(max(1, settings.THREADS // 4))


class Slots:
    """A bounded number of slots for one kind of work in this process."""

    def __init__(self, number: int) -> None:
        self._free = threading.BoundedSemaphore(number)

    def take(self, seconds: float = 0) -> bool:
        """Whether a slot was free within `seconds`. Then it has to be given back."""
        return self._free.acquire(timeout=seconds) if seconds else self._free.acquire(blocking=False)

    def give_back(self) -> None:
        self._free.release()

    def give_back_with(self, answer: Any) -> Callable[[], object]:
        """Gives the slot back once: when the function that is returned is called, or when `answer` is gone."""
        return weakref.finalize(answer, self.give_back)
