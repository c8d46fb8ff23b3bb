"""Real threads, each with its own database connection."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from common import database_deadline

SECONDS_TO_START = 120


def in_parallel(functions: Sequence[Callable[[], Any]]) -> list[Any]:
    """For each function, its result or the exception it raised. All functions start together."""
    [answers] = rounds_in_parallel([functions])
    return answers


def rounds_in_parallel(rounds: Sequence[Sequence[Callable[[], Any]]]) -> list[list[Any]]:
    """Runs one round after the other. The threads keep their connections for all rounds.

    All rounds have the same number of functions.
    """
    together = Barrier(len(rounds[0]))

    def run(functions: Sequence[Callable[[], Any]]) -> list[Any]:
        try:
            return [_answer(function, together) for function in functions]
        finally:
            connections.close_all()

    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(len(rounds[0])) as pool:
        # These tests ask who waits for whom. The time that a busy machine takes must not matter.
        patched.setattr(database_deadline, "SECONDS", 60.0)
        return [list(answers) for answers in zip(*pool.map(run, zip(*rounds, strict=True)), strict=True)]


def _answer(function: Callable[[], Any], together: Barrier) -> Any:
    together.wait(SECONDS_TO_START)
    try:
        return function()
    except Exception as error:
        return error
