"""An owner who pauses one key after the other, and gateways that check the keys, over a real server."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.faults.calls import Caller, Timed, loading

# A check lets a key in, or says that it is paused.
GOOD = {204, 401}


class Checked(NamedTuple):
    status: int
    began: float
    ended: float
    was_paused: bool  # the pause was answered before the check began


class Story:
    """What was asked and answered. Each key is paused once."""

    def __init__(self, caller: Caller, keys: dict[str, str]) -> None:
        self._caller, self._keys = caller, keys
        self._to_pause = iter(list(keys)[1:])
        self._lock = threading.Lock()
        self.paused: dict[str, float] = {}  # when the pause was answered, by the id of the key
        self.pages: list[Timed] = []
        self.checks: list[Checked] = []

    @contextmanager
    def going_on(self, pausing: int = 3, checking: int = 3) -> Iterator[None]:
        """A tenth of a second between two pauses of a person, so that there are keys for the whole test."""
        with (
            loading([self.pause] * pausing, pause=0.1) as self.pages,
            loading([self.check] * checking, pause=0.005),
        ):
            yield

    def pause(self) -> Timed:
        with self._lock:
            key = next(self._to_pause)
        project = self._caller.people.project_id
        answer = self._caller.post("pause", f"/projects/{project}/keys/{key}/pause/")
        if answer.status == 302:
            self.paused[key] = time.monotonic()
        return answer

    def check(self) -> Timed:
        """Of a key that was paused a moment ago, of any that is paused, or of any."""
        answered = list(self.paused)
        any_key = random.choice(list(self._keys))
        key = random.choice([*answered[-5:], random.choice(answered or [any_key]), any_key, any_key, any_key])
        was_paused = key in self.paused
        answer = self._caller.check(self._keys[key])
        self.checks.append(Checked(answer.status, answer.began, answer.began + answer.seconds, was_paused))
        return answer

    @property
    def let_in(self) -> list[Checked]:
        """Checks that let a key in although its pause was answered before."""
        return [check for check in self.checks if check.was_paused and check.status == 204]

    @property
    def counted(self) -> int:
        """How many checks the server has to count."""
        return sum(check.status in GOOD for check in self.checks)

    def first_good_check(self, since: float) -> float:
        """How long after `since` the first check that began then had a good answer."""
        return min(check.ended for check in self.checks if check.status in GOOD and check.began > since) - since

    def first_good_change(self, since: float) -> float:
        good = [page for page in self.pages if page.status == 302 and page.began > since]
        return min(page.began + page.seconds for page in good) - since
