"""Checks that hang never hold the thread that answers scrapes, and checks that make progress are never rejected."""

import threading

import pytest

from config.serving import spare_thread
from config.serving.spare_thread import Places
from tests.support.programs.parallel import in_parallel

pytestmark = pytest.mark.nodb


def test_as_many_checks_as_places_are_let_in_and_one_more_waits_for_a_place():
    places, began = Places(2), threading.Barrier(2)
    assert [places.take(), places.take()] == [True, True]

    def wait() -> bool:
        began.wait()
        return places.take()

    def give_back() -> None:
        began.wait()
        places.give_back()

    assert in_parallel([wait, give_back]) == [True, None]


def test_while_nothing_moves_further_checks_are_rejected_at_once(monkeypatch):
    monkeypatch.setattr(spare_thread, "SECONDS", 0.01)
    places = Places(1)
    assert places.take()
    assert not places.take()
    monkeypatch.setattr(spare_thread, "SECONDS", 3600)  # it would wait, if it waited
    assert not places.take()
    places.give_back()
    assert places.take()


def test_as_long_as_others_make_progress_a_check_waits(monkeypatch):
    """One thread always has the place, and takes it again and again."""
    monkeypatch.setattr(spare_thread, "SECONDS", 0.05)
    places, is_over, taken = Places(1), threading.Event(), []
    assert places.take()

    def move() -> None:
        for _ in range(20):
            places._moves += 1
            is_over.wait(0.01)
        places.give_back()

    mover = threading.Thread(target=move)
    mover.start()
    taken.append(places.take())
    mover.join()
    assert taken == [True]
