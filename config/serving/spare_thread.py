"""Keeps one thread of a process of the check free of checks that wait, where there are metrics.

Such a process has a thread more than THREADS, and a check needs one of THREADS places. So while THREADS checks wait for
the database, the additional thread still answers scrapes and `/health/live`.

The additional thread also takes the checks of the queue, and waits for a place with each. It waits only as long as the
others make progress. If none of them began or ended anything for SECONDS, the process hangs. Further checks are then
answered 503 at once, until a place is free.
"""

from queue import Empty, SimpleQueue

# Longer than the database needs for anything but a fault, and shorter than a request's time for it.
SECONDS = 1.0


class Places:
    """`number` places for checks."""

    def __init__(self, number: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        self._is_free = self._free.get_nowait
        # How often a check began or ended. Threads may meet here: the number only has to change.
        self._moves = self._moves_of_hang = 0
        for _ in range(number):
            self._free.put(None)

    def take(self) -> bool:
        """Whether the caller got a place, which it has to give back."""
        try:
            self._is_free()
        except Empty:
            if not self._wait():
                return False
        self._moves += 1
        return True

    def _wait(self) -> bool:
        while (before := self._moves) != self._moves_of_hang:
            try:
                self._free.get(timeout=SECONDS)
                return True
            except Empty:
                # If no other thread has moved since, the process hangs, and nobody waits until one does.
                self._moves_of_hang = before
        return False

    def give_back(self) -> None:
        self._moves += 1
        self._free.put(None)
