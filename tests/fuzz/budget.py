"""How long the fuzz goes on: a fixed slice that is the same every time, or as many seconds as FUZZ_SECONDS allows."""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeVar
from zlib import crc32

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

Thing = TypeVar("Thing")

SECONDS = float(os.environ.get("FUZZ_SECONDS") or 0)
SEED = int(os.environ.get("FUZZ_SEED") or 0)

_BEGAN = time.monotonic()

# The number of requests to each route, for the report at the end.
counts: Counter[str] = Counter()


def seconds_left(until: float) -> float:
    """Until this share of the whole time has passed; the time began with the process."""
    return _BEGAN + SECONDS * until - time.monotonic()


def turns(things: dict[str, Thing], until: float) -> Iterator[tuple[str, Thing]]:
    """Each thing once in the fixed slice; otherwise again and again, at least once. Each comes with a name for the
    turn.
    """
    has_begun = False
    for number in count():
        names = list(things)
        if SECONDS:
            random.Random(f"{SEED} {number}").shuffle(names)
        for name in names:
            if number and not SECONDS:
                return
            if SECONDS and has_begun and seconds_left(until) < 0:
                return
            has_begun = True
            yield f"{number} {name}", things[name]


def attempt(check: Callable[[Any], None], strategy: st.SearchStrategy[Any], *, examples: int, name: str) -> None:
    """Runs `check` on `examples` values, which `name` and the seed decide. Fails with the smallest value that fails."""

    @seed(_seed_of(name))
    @_settings(examples)
    @given(strategy)
    def one(value: Any) -> None:
        check(value)

    one()


def attempt_machine(machine: type[RuleBasedStateMachine], *, examples: int, name: str) -> None:
    """As `attempt`, for `examples` runs of the state machine."""
    counts["(life cycles)"] += examples
    run_state_machine_as_test(seed(_seed_of(name))(machine), settings=_settings(examples))


def _seed_of(name: str) -> int:
    return crc32(f"{SEED} {name}".encode())


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=30,
        derandomize=not SECONDS,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
