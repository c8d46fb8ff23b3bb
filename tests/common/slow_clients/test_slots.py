"""The threads that sign-ins hold together, and the one that each way to sign in keeps from the other."""

import threading
from contextlib import suppress
from queue import SimpleQueue

import pytest

from common.slow_clients import slots
from common.slow_clients.slots import SIGNING_IN, FairSlots, Slots, WayIn
from tests.support.programs.parallel import in_parallel

pytestmark = pytest.mark.nodb


class Threads:
    """Threads that take slots and keep them until `end`."""

    def __init__(self) -> None:
        self._ended, self._threads = threading.Event(), list[threading.Thread]()

    def take(self, way: WayIn, *, number: int) -> int:
        """How many of `number` new threads got a slot. There are slots for all of them."""
        free, answers = Slots(number), SimpleQueue[bool]()

        def run() -> None:
            has_slot = way.take(free, 0)
            answers.put(has_slot)
            self._ended.wait()
            if has_slot:
                way.give_back(free)

        new = [threading.Thread(target=run) for _ in range(number)]
        for thread in new:
            thread.start()
        self._threads += new
        return sum(answers.get(timeout=60) for _ in new)

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._ended.clear()


@pytest.fixture
def threads():
    threads = Threads()
    yield threads
    threads.end()


def test_half_of_the_threads_sign_people_in_and_each_way_has_one_of_them(threads):
    passwords, provider = WayIn(), WayIn()
    assert SIGNING_IN == 4, "half of the 8 THREADS"
    assert threads.take(provider, number=8) == SIGNING_IN - 1
    assert threads.take(passwords, number=8) == 1
    assert threads.take(provider, number=8) == 0
    threads.end()
    assert threads.take(passwords, number=8) == SIGNING_IN - 1
    assert threads.take(provider, number=8) == 1


def test_a_thread_that_waits_counts_and_no_more_wait():
    way, one, refused = WayIn(), Slots(1), SimpleQueue[None]()
    one.take()

    def ask() -> bool:
        if not way.take(one, 60):
            refused.put(None)
            return False
        way.give_back(one)
        return True

    def free_once_the_others_are_refused() -> bool:
        with suppress(Exception):
            for _ in range(8 - (SIGNING_IN - 1)):
                refused.get(timeout=30)
        one.give_back()
        return False

    assert sum(in_parallel([*[ask] * 8, free_once_the_others_are_refused])) == SIGNING_IN - 1


def test_a_thread_counts_once_for_all_its_slots(monkeypatch):
    monkeypatch.setattr(slots, "_signing_in", Slots(1))
    way, first, second = WayIn(), Slots(1), Slots(1)
    assert way.take(first, 0)
    assert way.take(second, 0)
    way.give_back(second)
    assert not slots._signing_in.take(), "it still has the first slot"
    way.give_back(first)
    assert slots._signing_in.take()


# A fair share


@pytest.mark.parametrize(("number", "alone", "others"), [(1, 1, 0), (2, 1, 1), (3, 2, 1), (4, 2, 2), (16, 8, 8)])
def test_who_holds_a_slot_gets_another_only_while_more_than_half_are_free(number, alone, others):
    slots = FairSlots(number)
    assert [slots.take("one") for _ in range(20)].count(True) == alone
    assert [slots.take(f"other {place}") for place in range(20)].count(True) == others, "one for each other"


def test_a_slot_that_is_given_back_is_free_for_everybody():
    slots = FairSlots(2)
    for who in ("one", "other", "one"):
        assert slots.take(who)
        assert not slots.take(who)
        slots.give_back(who)
    assert slots.take("third")
    assert slots.take("fourth")
