"""V1 to V4: checks per second beside the limit and the peers, and what a check costs."""

from contextlib import ExitStack

from bench.rates.contenders import LIMIT, PEERS, django_peers, limit, ours
from bench.results import Goal, Row
from bench.stage import Measured, Stage
from bench.tools import databases, processes, servers
from bench.tools.comparing import Pairs, compared, side_by_side
from bench.tools.load import Contender, Sample, load
from tests.support.environment import DATA_DIR, postgres
from tests.support.programs.processes import children

MEASURED = "checks per second at /verify, lease off"


def _row(name: str, against: str, pairs: Pairs, least: float | None = None) -> Row:
    return compared(name, MEASURED, against, pairs, Goal(least=least) if least else None)


def beside_peers(stage: Stage) -> Measured:
    """V1 to V4, and the processor time of a check."""
    peers_url = databases.create("peers")
    headers = databases.fill_peers(peers_url, stage.plan.few_keys)
    databases.settle(peers_url)
    verify = ours("verify", stage.product, stage.called)
    with ExitStack() as stack:
        peers = stack.enter_context(servers.peer(servers.PEERS, peers_url))
        usual = stack.enter_context(servers.peer(servers.PEERS, peers_url, "bench.peers.startproject"))
        others = [
            limit(stage.limit, stage.called),
            *django_peers(peers, headers, stage.plan.keys_called),
            Contender("startproject", f"{usual.url}/bare", ["Bearer any"], None, usual.worker),
        ]
        pairs = side_by_side(verify, others, stage.plan)
    rows = [
        _row("V1", LIMIT, pairs["limit"], 0.85),
        _row("V2", "a bare Django view without queries, with startproject's middleware", pairs["startproject"], 1),
        _row("V3", PEERS["api-key"], pairs["api-key"], 5),
        _row("V4", PEERS["knox"], pairs["knox"], 9),
        _row("R1", PEERS["token"], pairs["token"]),
        _row("R2", "the bare view without middleware", pairs["bare"]),
    ]
    samples = [sample for pair in pairs.values() for sample in pair.ours]
    return Measured(rows, _costs(stage, verify) | _latency(samples))


def _latency(samples: list[Sample]) -> dict[str, float]:
    """The latency in the sample with the median rate."""
    middle = sorted(samples, key=lambda sample: sample.rate)[len(samples) // 2]
    return {
        "ms for a check under full load, median": middle.p50,
        "ms for a check under full load, 99th percentile": middle.p99,
    }


def _costs(stage: Stage, verify: Contender) -> dict[str, float]:
    """Processor time, which depends less than rates on what else the machine does."""
    sample, database = _cost(verify, stage)
    of_limit, limit_database = _cost(limit(stage.limit, stage.called), stage)
    whole = sample.processor_seconds + database
    of_a_check = whole / sample.requests
    of_the_limit = (of_limit.processor_seconds + limit_database) / of_limit.requests
    return {
        "checks per second of one worker": sample.rate,
        "checks per second for each core that the worker uses": sample.requests / sample.processor_seconds,
        "checks per second for each core that worker and PostgreSQL use": sample.requests / whole,
        "V1 by processor time of the server and PostgreSQL": of_the_limit / of_a_check,
    }


def _cost(contender: Contender, stage: Stage) -> tuple[Sample, float]:
    """A sample, and the seconds of processor time of PostgreSQL meanwhile."""
    before = {pid: processes.cpu_seconds(pid) for pid in children(postgres.pid)}
    sample = load(contender, stage.plan)
    # A process of PostgreSQL may have ended meanwhile.
    return sample, sum(max(0, processes.cpu_seconds(pid) - seconds) for pid, seconds in before.items())


def on_sqlite(stage: Stage) -> Measured:
    """The same comparison on SQLite. It has no goals, because production uses PostgreSQL."""
    if not stage.plan.is_on_sqlite_too:
        return Measured([], {})
    plan = stage.plan
    url, peers_url = (f"sqlite:///{DATA_DIR}/{name}.sqlite3" for name in ("bench", "peers"))
    headers = databases.fill_product(url, plan.few_keys)
    peers_headers = databases.fill_peers(peers_url, plan.few_keys)
    with servers.product(url) as product, servers.peer(servers.PEERS, peers_url) as peers:
        verify = ours("verify", product, headers[: plan.keys_called])
        pairs = side_by_side(verify, django_peers(peers, peers_headers, plan.keys_called), plan)
    rows = [
        _row("S2", "a bare Django view, on SQLite", pairs["bare"]),
        _row("S3", f"{PEERS['api-key']}, on SQLite", pairs["api-key"]),
        _row("S4", f"{PEERS['knox']}, on SQLite", pairs["knox"]),
    ]
    return Measured(rows, {})
