"""V5 and V12: the check with many keys, and with many keys that are used evenly."""

from bench.rates.contenders import ours
from bench.results import Goal
from bench.stage import Measured, Stage
from bench.tools import databases, servers
from bench.tools.comparing import compared, side_by_side
from bench.tools.load import VERIFY
from bench.tools.registering import registered


def with_many_keys(stage: Stage) -> Measured:
    """V5, and the size of a key."""
    url = stage.copy("many")
    databases.add_keys(url, stage.plan.many_keys - stage.plan.few_keys)
    databases.settle(url)
    count = databases.ask(url, "SELECT count(*) FROM apikeys_apikey")
    size = databases.ask(url, "SELECT pg_total_relation_size('apikeys_apikey')")
    with servers.product(url) as many:
        few = ours("few", stage.product, stage.called)
        pairs = side_by_side(ours("many", many, stage.called), [few], stage.plan)["few"]
    measured, against = f"checks per second at {count:,} keys", f"at {stage.plan.few_keys:,}"
    return Measured([compared("V5", measured, against, pairs, Goal(least=0.95))], {"bytes for a key": size / count})


def used_evenly(stage: Stage) -> Measured:
    """V12: a key is not asked for twice within a lease, so keeping its row is in vain."""
    url, number = stage.copy("even"), stage.plan.even_keys
    headers = databases.fill_product(url, number)
    databases.settle(url)
    with servers.product(url, lease=True) as leased, servers.product(url) as plain:
        registered(url, leased.check_url + VERIFY, headers[0])
        pairs = side_by_side(ours("on", leased, headers), [ours("off", plain, headers)], stage.plan)["off"]
    measured = f"checks per second of {number:,} keys in turn, lease on"
    return Measured([compared("V12", measured, "lease off", pairs, Goal(least=0.97))], {})
