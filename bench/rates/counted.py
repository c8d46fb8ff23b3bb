"""L5 and B4: what it costs to count addresses, and to have limits."""

from dataclasses import replace

from bench.rates.contenders import ours, unknown_header
from bench.results import Goal
from bench.stage import Measured, Stage
from bench.tools import databases, servers
from bench.tools.comparing import compared, rate, side_by_side
from bench.tools.load import VERIFY, Contender

HOT_KEYS = 10
_LIMIT = """
UPDATE apikeys_apikey SET restrictions = %(restrictions)s
WHERE id IN (SELECT id FROM apikeys_apikey ORDER BY id LIMIT %(number)s)
"""
# Far from used up while the bench runs.
_LIMITS = '{"rate": [10000000, "minute"], "quota": [10000000000, "month"]}'


def with_callers(stage: Stage) -> Measured:
    """L5: what it costs to count the addresses that use a key, in the check and in the thread that writes them."""
    with (
        servers.check_alone(servers.CHECK_APPLICATION, stage.url) as counting,
        servers.check_alone(servers.WITHOUT_CALLERS, stage.url) as without,
    ):
        counted, other = (
            Contender(name, server.url + VERIFY, stage.called, unknown_header(), server.worker)
            for name, server in (("counting", counting), ("without", without))
        )
        pairs = side_by_side(other, [counted], stage.plan)["counting"]
    row = compared("L5", "time of a check that counts addresses", "the check without that", pairs, Goal(most=1.05))
    raw = {"per second with addresses": rate(pairs.theirs), "without": rate(pairs.ours)}
    return Measured([replace(row, raw=raw | {"time by processor": pairs.by_processor_time})], {})


def with_limits(stage: Stage) -> Measured:
    """B4: keys with a rate and a quota beside keys with neither, at the same server.

    Both are few, and in use when a sample begins: a key's first request after a quiet second has to write.
    """
    number = HOT_KEYS
    databases.ask(stage.url, _LIMIT, {"restrictions": _LIMITS, "number": number})
    try:
        limited, free = (
            ours(name, stage.product, stage.headers[first : first + number])
            for name, first in (("limited", 0), ("free", number))
        )
        pairs = side_by_side(limited, [free], stage.plan, warm=True)["free"]
    finally:
        databases.ask(stage.url, _LIMIT, {"restrictions": None, "number": number})
    measured = "checks per second of keys with a rate and a quota"
    return Measured([compared("B4", measured, "keys with neither", pairs, Goal(least=0.85))], {})
