from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """The amount of measuring. Each round takes two samples of `seconds` for each comparison: ours and the other."""

    rounds: int = 9
    seconds: int = 2
    connections: int = 16
    keys_called: int = 200
    few_keys: int = 1_000
    many_keys: int = 1_000_000
    stop_rounds: int = 100
    page_loads: int = 60
    few_calls: int = 1_000
    many_calls: int = 1_000_000
    minutes: int = 60  # everything is stopped after this time


QUICK = Plan(rounds=5, seconds=1, many_keys=100_000, stop_rounds=20, page_loads=20, many_calls=30_000)
