"""Real threads, each with a database connection of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connections


def in_parallel(functions: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each function returned, or the exception it raised. They start together."""
    together = Barrier(len(functions))

    def run(function: Callable[[], Any]) -> Any:
        try:
            together.wait(timeout=30)
            return function()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(run, functions))
