from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """The amount of measuring. Each round takes two samples of `seconds` for each comparison: ours and the other.
    A comparison has at most `most_rounds`, and fewer once its ratio is known well enough.
    """

    rounds: int = 9
    most_rounds: int = 25
    seconds: int = 2
    connections: int = 16
    keys_called: int = 200
    few_keys: int = 1_000
    even_keys: int = 10_000
    many_keys: int = 1_000_000
    stop_rounds: int = 25
    page_loads: int = 60
    page_keys: int = 1_000
    days: int = 365
    few_calls: int = 1_000
    many_calls: int = 1_000_000
    probe_seconds: int = 4
    loads: int = 9
    is_on_sqlite_too: bool = True
    minutes: int = 90  # everything is stopped after this time


QUICK = Plan(
    rounds=2,
    most_rounds=4,
    seconds=1,
    even_keys=3_000,
    many_keys=100_000,
    stop_rounds=2,
    page_loads=20,
    many_calls=30_000,
    probe_seconds=1,
    is_on_sqlite_too=False,
)
# For the tests of the bench: every part runs, and no figure means anything.
TINY = Plan(
    rounds=1,
    most_rounds=1,
    seconds=1,
    keys_called=20,
    few_keys=200,
    even_keys=200,
    many_keys=1_000,
    stop_rounds=1,
    page_loads=2,
    page_keys=20,
    days=30,
    few_calls=100,
    many_calls=1_000,
    probe_seconds=1,
    loads=2,
)
