"""T46: the check works as usual during any load on pages and API."""

import statistics
from collections.abc import Iterator

import pytest

from tests.faults.figures import measure
from tests.faults.installation import Installation
from tests.faults.loads import LOADS, Site, bury, probe
from tests.support.programs.mail_server import silent_mail_server

pytestmark = [pytest.mark.nodb, pytest.mark.faults]

SECONDS = 4
MOST_SECONDS = 1
MOST_TIMES_QUIET = 3


@pytest.fixture(scope="module")
def site(shared_installation: Installation) -> Iterator[Site]:
    shared_installation.start()
    bury(shared_installation)
    with silent_mail_server() as mail:
        server = shared_installation.start_server(TRUSTED_PROXIES="1", EMAIL_URL=mail)
        yield Site(server, shared_installation.people)
        shared_installation.stop_servers()


@pytest.fixture(scope="module")
def quiet(site: Site) -> float:
    """The median time of a check while nobody else calls."""
    return statistics.median(seconds for _, seconds in probe(site, SECONDS))


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.__name__)
def test_no_load_on_pages_or_api_slows_the_check(site, quiet, load):
    """T46, V17"""
    with load(site):
        answers = probe(site, SECONDS)
    name = load.__name__.replace("_", " ")
    measure("T46", f"{name}: checks of a good key that were not let in", sum(s != 204 for s, _ in answers), at_most=0)
    slowest, median = (pick([seconds for _, seconds in answers]) for pick in (max, statistics.median))
    measure("T46", f"{name}: the slowest check", slowest, at_most=MOST_SECONDS, unit="s")
    measure("T46", f"{name}: the median, times quiet", median / quiet, at_most=MOST_TIMES_QUIET, unit="x")
