"""V17: the time of a check while pages and API are under the loads of T46 (tests/faults/loads.py)."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from statistics import mean, median

from bench.results import Goal, Row
from bench.stage import Measured, Stage
from bench.tools import cores
from bench.tools.load import LoadFailed
from tests.faults.installation import Installation
from tests.faults.loads import LOADS, Site, bury, probe
from tests.support.programs.mail_server import silent_mail_server

Load = Callable[[Site], AbstractContextManager[None]]


def under_loads(stage: Stage) -> Measured:
    """The load that slows the check most. Before and after each load, the check is timed without it."""
    with cores.shared():
        installation = _installation()
        try:
            bury(installation)
            with silent_mail_server() as mail:
                site = Site(installation.start_server(TRUSTED_PROXIES="1", EMAIL_URL=mail), installation.people)
                ratios = _times_quiet(site, LOADS[: stage.plan.loads], stage.plan.probe_seconds)
        finally:
            installation.remove()
    slowest = max(ratios, key=lambda name: ratios[name])
    measured = f"median time of a check under a load on pages and API, the worst: {slowest}"
    return Measured([Row("V17", measured, "quiet", ratios[slowest], Goal(most=3), raw=dict(ratios))], {})


def _installation() -> Installation:
    """Without the log of each account and key that is made for it."""
    os.environ["LOG_LEVEL"] = "ERROR"
    try:
        return Installation()
    finally:
        del os.environ["LOG_LEVEL"]


def _times_quiet(site: Site, loads: Sequence[Load], seconds: float) -> dict[str, float]:
    ratios = {}
    before = _median(site, seconds)
    for load in loads:
        with load(site):
            loaded = _median(site, seconds)
        after = _median(site, seconds)
        ratios[load.__name__.replace("_", " ")] = loaded / mean([before, after])
        before = after
    return ratios


def _median(site: Site, seconds: float) -> float:
    answers = probe(site, seconds)
    if any(status != 204 for status, _ in answers):
        raise LoadFailed("The check rejects a good key under load.")
    return median(taken for _, taken in answers)
