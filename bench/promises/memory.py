"""V9: the memory of a worker after many calls."""

import time
from concurrent.futures import ThreadPoolExecutor

from bench.plan import Plan
from bench.rates.contenders import ours
from bench.results import Goal, Row
from bench.stage import Measured, Stage
from bench.tools import processes, servers
from bench.tools.load import Contender, LoadFailed, load, status

SECONDS_A_LOAD = 20
SECONDS_TO_SETTLE = 3


def after_many_calls(stage: Stage) -> Measured:
    plan = stage.plan
    with servers.product(stage.url) as product:
        contender = ours("verify", product, stage.called)
        _call_few(contender, plan)
        small = _settled(product)
        many = plan.few_calls + _call_many(contender, plan.many_calls - plan.few_calls, plan)
        large = _settled(product)
    raw = {f"MiB after {plan.few_calls:,} calls": small / 2**20, f"MiB after {many:,}": large / 2**20}
    measured = f"memory of a worker after {plan.many_calls:,} calls"
    row = Row("V9", measured, f"after {plan.few_calls:,}", large / small, Goal(most=1.1), raw=raw)
    return Measured([row], {})


def _call_few(contender: Contender, plan: Plan) -> None:
    """Makes exactly `few_calls` calls from several threads, so that every thread of the worker opens a connection."""
    calls = [contender.headers[number % len(contender.headers)] for number in range(plan.few_calls)]
    with ThreadPoolExecutor(plan.connections) as threads:
        if set(threads.map(lambda header: status(contender.url, header), calls)) != {204}:
            raise LoadFailed(f"{contender.name} rejects a good key.")


def _call_many(contender: Contender, calls: int, plan: Plan) -> int:
    """Makes at least `calls` calls, and returns their number. The last second may add some."""
    made, seconds = 0, 1
    while made < calls:
        sample = load(contender, plan, seconds)
        made += sample.requests
        seconds = max(1, min(SECONDS_A_LOAD, int((calls - made) / sample.rate)))
    return made


def _settled(product: servers.Server) -> int:
    """Waits until the calls are written and the worker is idle."""
    time.sleep(SECONDS_TO_SETTLE)
    return processes.resident_bytes(product.worker)
