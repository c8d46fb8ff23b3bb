"""V9: what a worker holds after many calls."""

import time

from bench import processes, servers
from bench.load import Contender, load
from bench.plan import Plan
from bench.rates import ours
from bench.results import Goal, Row

SECONDS_A_LOAD = 20
SECONDS_TO_SETTLE = 3


def after_many_calls(url: str, headers: list[str], plan: Plan) -> Row:
    with servers.product(url) as product:
        contender = ours("verify", product, headers[: plan.keys_called])
        few = _call(contender, plan.few_calls, plan)
        small = _settled(product)
        many = few + _call(contender, plan.many_calls - few, plan)
        large = _settled(product)
    raw = {f"MiB after {few:,} calls": small / 2**20, f"MiB after {many:,}": large / 2**20}
    measured = f"memory of a worker after {plan.many_calls:,} calls"
    return Row("V9", measured, f"after {plan.few_calls:,}", large / small, Goal(most=1.1), raw=raw)


def _call(contender: Contender, calls: int, plan: Plan) -> int:
    """How many were made: `calls`, and what the last second brought beyond."""
    made, seconds = 0, 1
    while made < calls:
        sample = load(contender, plan, seconds)
        made += sample.requests
        seconds = max(1, min(SECONDS_A_LOAD, int((calls - made) / sample.rate)))
    return made


def _settled(product: servers.Server) -> int:
    """Once the calls are written down, and all is as between two calls."""
    time.sleep(SECONDS_TO_SETTLE)
    return processes.resident_bytes(product.worker)
