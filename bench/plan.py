from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """How much is measured. `rounds` of `seconds` each, for every contender in turn."""

    rounds: int = 7
    seconds: int = 3
    connections: int = 16
    keys_called: int = 200
    few_keys: int = 1_000
    many_keys: int = 1_000_000
    stop_rounds: int = 100
    page_loads: int = 60
    few_calls: int = 1_000
    many_calls: int = 1_000_000
    minutes: int = 60  # after which everything is stopped, whatever it waits for


QUICK = Plan(rounds=3, seconds=2, many_keys=100_000, stop_rounds=20, page_loads=20, many_calls=30_000)
