"""V10, V11 and V15: keys that are used all the time, with the lease on."""

import re
import time

from bench.rates.contenders import LIMIT, limit, ours
from bench.results import Goal, Row
from bench.stage import Measured, Stage
from bench.tools import databases, servers
from bench.tools.comparing import compared, side_by_side
from bench.tools.load import Contender, load
from tests.support.environment import postgres

FEW, MANY = 1, 100
NOTHING = "a WSGI function that answers 204 and does nothing: the server's own limit"
# As PostgreSQL logs each statement of a client. Further lines of a statement begin with a tab.
_STATEMENT = re.compile(r"^\S.* LOG:  (?:statement|execute [^:]*): ", re.MULTILINE)


def _measured(number: int) -> str:
    return f"checks per second of {number} hot {'key' if number == 1 else 'keys'}, lease on"


def with_lease(stage: Stage) -> Measured:
    """V10 and V11"""
    with servers.peer(servers.NOTHING, stage.url) as server:
        nothing = Contender("nothing", f"{server.url}/", ["Bearer any"], None, server.worker)
        one = ours("one", stage.leased, stage.headers[:FEW])
        of_one = side_by_side(one, [limit(stage.limit, stage.called), nothing], stage.plan)
    some = ours("some", stage.leased, stage.headers[:MANY])
    of_some = side_by_side(some, [limit(stage.limit, stage.called)], stage.plan)
    rows = [
        compared("V10.1", _measured(FEW), LIMIT, of_one["limit"], Goal(least=2.5)),
        compared("V10.100", _measured(MANY), LIMIT, of_some["limit"], Goal(least=2.3)),
        compared("V11", _measured(FEW), NOTHING, of_one["nothing"], Goal(least=0.4)),
    ]
    return Measured(rows, {})


def statements(stage: Stage) -> Measured:
    """V15: PostgreSQL logs each statement meanwhile, so the rate of these checks says nothing."""
    hot = ours("hot", stage.leased, stage.headers[:FEW])
    load(hot, stage.plan)
    databases.configure(log_statement="all")
    time.sleep(1)  # every backend has to read the new setting
    try:
        before = _logged()
        sample = load(hot, stage.plan)
        number = _logged() - before
    finally:
        databases.configure(log_statement="none")
    raw = {"statements": number, "checks": sample.requests}
    measured = "statements for a check of a hot key, lease on"
    return Measured([Row("V15", measured, "none", number / sample.requests, Goal(most=0.01), raw=raw)], {})


def _logged() -> int:
    return len(_STATEMENT.findall(postgres.log.read_text(errors="replace")))
