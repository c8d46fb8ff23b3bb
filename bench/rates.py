"""V1 to V5, L5 and B4: checks per second, beside the peers, with many keys, with addresses counted, and with limits."""

from contextlib import ExitStack

from django.db import connections

from apikeys.secrets.secret_format import checksum
from bench import databases, processes, servers
from bench.load import Contender, Pairs, Sample, load, rate, side_by_side
from bench.plan import Plan
from bench.results import Goal, Row
from tests.support.environment import DATA_DIR, postgres
from tests.support.programs.processes import children

VERIFY = "/api/v1/verify"

PEERS = {
    "api-key": "djangorestframework-api-key",
    "knox": "django-rest-knox",
    "token": "DRF's TokenAuthentication",
}


def unknown_header() -> str:
    """A well-formed key with a correct checksum that belongs to nobody. It costs a lookup."""
    body = "lk_" + "0" * 30
    return f"Bearer {body}{checksum(body)}"


def ours(name: str, server: servers.Server, headers: list[str]) -> Contender:
    return Contender(name, server.check_url + VERIFY, headers, unknown_header())


def _peers(server: servers.Server, headers: dict[str, list[str]], plan: Plan) -> list[Contender]:
    """The bare view and the peers. A bad key is a good key with another end."""
    contenders = [Contender("bare", f"{server.url}/bare", ["Bearer any"], None)]
    for path in PEERS:
        good = headers[path][: plan.keys_called]
        contenders.append(Contender(path, f"{server.url}/{path}", good, f"{good[0][:-4]}0000"))
    return contenders


def _row(name: str, label: str, pairs: Pairs, least: float | None = None) -> Row:
    raw = {"ours per second": rate(pairs.ours), "theirs per second": rate(pairs.theirs)}
    goal = None if least is None else Goal(least=least)
    return Row(name, "checks per second at /verify", label, pairs.ratio, goal, raw=raw)


def beside_peers(url: str, headers: list[str], plan: Plan) -> tuple[list[Row], dict[str, float]]:
    """V1 to V4, and the processor time of a check."""
    peers_url = databases.create("peers")
    peers_headers = databases.fill_peers(peers_url, plan.few_keys)
    databases.settle(peers_url)
    with ExitStack() as stack:
        product = stack.enter_context(servers.product(url))
        limit = stack.enter_context(servers.peer(servers.LIMIT, url))
        peers = stack.enter_context(servers.peer(servers.PEERS, peers_url))
        usual = stack.enter_context(servers.peer(servers.PEERS, peers_url, "bench.peers.startproject"))
        called = headers[: plan.keys_called]
        verify = ours("verify", product, called)
        others = [
            Contender("limit", f"{limit.url}/", called, unknown_header()),
            *_peers(peers, peers_headers, plan),
            Contender("startproject", f"{usual.url}/bare", ["Bearer any"], None),
        ]
        pairs = side_by_side(verify, others, plan)
        figures = _cost(verify, product, plan)
    rows = [
        _row("V1", "the limit: a bare WSGI function with one prepared lookup", pairs["limit"], 0.75),
        _row("V2", "a bare Django view without queries, with startproject's middleware", pairs["startproject"], 0.8),
        _row("V3", PEERS["api-key"], pairs["api-key"], 5),
        _row("V4", PEERS["knox"], pairs["knox"], 8),
        _row("R1", PEERS["token"], pairs["token"]),
        _row("R2", "the bare view without middleware", pairs["bare"]),
    ]
    return rows, figures | _latency([sample for pair in pairs.values() for sample in pair.ours])


def _latency(samples: list[Sample]) -> dict[str, float]:
    """The latency in the sample with the median rate."""
    middle = sorted(samples, key=lambda sample: sample.rate)[len(samples) // 2]
    return {
        "ms for a check under full load, median": middle.p50,
        "ms for a check under full load, 99th percentile": middle.p99,
    }


def _cost(contender: Contender, product: servers.Server, plan: Plan) -> dict[str, float]:
    """Checks for each second of processor time: of the worker alone, and of worker and database."""
    backends = children(postgres.pid)
    before = processes.cpu_seconds(product.worker), sum(map(processes.cpu_seconds, backends))
    sample = load(contender, plan)
    worker = processes.cpu_seconds(product.worker) - before[0]
    database = sum(map(processes.cpu_seconds, backends)) - before[1]
    return {
        "checks per second of one worker": sample.rate,
        "checks per second for each core that the worker uses": sample.requests / worker,
        "checks per second for each core that worker and PostgreSQL use": sample.requests / (worker + database),
    }


def with_many_keys(url: str, headers: list[str], plan: Plan) -> tuple[list[Row], dict[str, float]]:
    """V5, and the size of a key. `url` names the database with few keys."""
    connections.close_all()  # PostgreSQL cannot copy a database that is in use
    many_url = databases.create("many", template=url.rpartition("/")[2])
    databases.add_keys(many_url, plan.many_keys - plan.few_keys)
    databases.settle(many_url)
    databases.ask(many_url, "CHECKPOINT")
    count = databases.ask(many_url, "SELECT count(*) FROM apikeys_apikey")
    size = databases.ask(many_url, "SELECT pg_total_relation_size('apikeys_apikey')")
    called = headers[: plan.keys_called]
    with servers.product(url) as few, servers.product(many_url) as many:
        pairs = side_by_side(ours("many", many, called), [ours("few", few, called)], plan)["few"]
    raw = {f"per second at {count:,} keys": rate(pairs.ours), f"per second at {plan.few_keys:,}": rate(pairs.theirs)}
    measured, goal = f"checks per second at {count:,} keys", Goal(least=0.9)
    row = Row("V5", measured, f"at {plan.few_keys:,}", pairs.ratio, goal, raw=raw)
    return [row], {"bytes for a key": size / count}


def with_callers(url: str, headers: list[str], plan: Plan) -> Row:
    """L5: what it costs to count the addresses that use a key, in the check and in the thread that writes them."""
    called = headers[: plan.keys_called]
    with (
        servers.check_alone(servers.CHECK_APPLICATION, url) as counting,
        servers.check_alone(servers.WITHOUT_CALLERS, url) as without,
    ):
        other = Contender("without", without.url + VERIFY, called, unknown_header())
        counted = Contender("counting", counting.url + VERIFY, called, unknown_header())
        pairs = side_by_side(counted, [other], plan)["without"]
    raw = {"per second with addresses": rate(pairs.ours), "without": rate(pairs.theirs)}
    measured, goal = "time of a check that counts addresses", Goal(most=1.05)
    return Row("L5", measured, "the check without that", 1 / pairs.ratio, goal, raw=raw)


HOT_KEYS = 10
_LIMIT = """
UPDATE apikeys_apikey SET restrictions = %(restrictions)s
WHERE id IN (SELECT id FROM apikeys_apikey ORDER BY id LIMIT %(number)s)
"""
# Far from used up while the bench runs.
_LIMITS = '{"rate": [10000000, "minute"], "quota": [10000000000, "month"]}'


def with_limits(url: str, headers: list[str], plan: Plan) -> Row:
    """B4: keys with a rate and a quota beside keys with neither, at the same server.

    Both are few, and in use when a sample begins: a key's first request after a quiet second has to write.
    """
    number = HOT_KEYS
    databases.ask(url, _LIMIT, {"restrictions": _LIMITS, "number": number})
    try:
        with servers.product(url) as product:
            limited, free = (
                ours(name, product, headers[first : first + number])
                for name, first in (("limited", 0), ("free", number))
            )
            pairs = side_by_side(limited, [free], plan, warm=True)["free"]
    finally:
        databases.ask(url, _LIMIT, {"restrictions": None, "number": number})
    raw = {"per second with limits": rate(pairs.ours), "without": rate(pairs.theirs)}
    measured = "checks per second of keys with a rate and a quota"
    return Row("B4", measured, "keys with neither", pairs.ratio, Goal(least=0.85), raw=raw)


def on_sqlite(plan: Plan) -> list[Row]:
    """The same comparison on SQLite. It has no goals, because production uses PostgreSQL."""
    url, peers_url = (f"sqlite:///{DATA_DIR}/{name}.sqlite3" for name in ("bench", "peers"))
    headers = databases.fill_product(url, plan.few_keys)
    peers_headers = databases.fill_peers(peers_url, plan.few_keys)
    with servers.product(url) as product, servers.peer(servers.PEERS, peers_url) as peers:
        verify = ours("verify", product, headers[: plan.keys_called])
        pairs = side_by_side(verify, _peers(peers, peers_headers, plan), plan)
    return [
        _row("S2", "a bare Django view, on SQLite", pairs["bare"]),
        _row("S3", f"{PEERS['api-key']}, on SQLite", pairs["api-key"]),
        _row("S4", f"{PEERS['knox']}, on SQLite", pairs["knox"]),
    ]
