"""How long the fuzz goes on: a fixed slice that is the same every time, or as many seconds as FUZZ_SECONDS says."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("FUZZ_SECONDS") or 0)
SEED = int(os.environ.get("FUZZ_SEED") or 0)

# How many requests each route was sent, for the report at the end.
counts: Counter[str] = Counter()


def rounds(share: float) -> Iterator[int]:
    """The number of each round, from 0: one in the slice, else until `share` of the time is used up."""
    end = time.monotonic() + SECONDS * share
    number = 0
    while number == 0 or time.monotonic() < end:
        yield number
        number += 1


def attempt(check: Callable[[Any], None], strategy: st.SearchStrategy[Any], *, examples: int, name: str) -> None:
    """Runs `check` on `examples` values; `name`, with the seed, decides which. Fails with the smallest that fails."""

    @seed(crc32(f"{SEED} {name}".encode()))
    @settings(
        max_examples=examples,
        derandomize=not SECONDS,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def one(value: Any) -> None:
        check(value)

    one()
