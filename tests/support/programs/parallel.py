"""Real threads, each with a database connection of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from common import database_deadline

SECONDS_TO_START = 120


def in_parallel(functions: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each function returned, or the exception it raised. They start together."""
    [answers] = rounds_in_parallel([functions])
    return answers


def rounds_in_parallel(rounds: Sequence[Sequence[Callable[[], Any]]]) -> list[list[Any]]:
    """The same of every round, one after the other, by threads that keep their connections from the first to the last.

    All rounds have as many functions.
    """
    together = Barrier(len(rounds[0]))

    def run(functions: Sequence[Callable[[], Any]]) -> list[Any]:
        try:
            return [_answer(function, together) for function in functions]
        finally:
            connections.close_all()

    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(len(rounds[0])) as pool:
        # They are asked who waits for whom, not how long a busy machine makes a request wait.
        patched.setattr(database_deadline, "SECONDS", 60.0)
        return [list(answers) for answers in zip(*pool.map(run, zip(*rounds, strict=True)), strict=True)]


def _answer(function: Callable[[], Any], together: Barrier) -> Any:
    together.wait(SECONDS_TO_START)
    try:
        return function()
    except Exception as error:
        return error
