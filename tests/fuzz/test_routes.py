"""Every input of every route, over HTTP to the server's own process.

The routes are read from the URLconf and the fields from the forms, so that new ones are attacked without being named
here. judge.py holds the rules for every answer.
"""

from config.monitoring import health
from tests.fuzz.attacker import Attacker
from tests.fuzz.budget import SECONDS, attempt, turns
from tests.fuzz.stage import forget_limits
from tests.fuzz.strategy import attacks_on
from tests.support.places.routes import Route, all_routes

UNTIL = 0.6
EXAMPLES = 3 if not SECONDS else 15


def no_view() -> None:
    """Answered by middleware, before any view."""


BEFORE_VIEWS = [path[1:] for path in (*health.STATES, "/static/favicon.svg")]
ROUTES = {route.pattern: route for route in [*all_routes(), *(Route(path, no_view) for path in BEFORE_VIEWS)]}


def test_no_input_of_any_route_breaks_in_or_breaks_it(server):
    """T16, T18, T19, T24, T25, T29: no 5xx, no entry, no change without the right, no secret, errors in shape."""
    attacker = Attacker(server)
    found = attacker.discover(ROUTES.values())
    for turn, route in turns(ROUTES, UNTIL):
        forget_limits()
        attempt(attacker.send, attacks_on(route, found), examples=EXAMPLES, name=turn)
        attacker.assert_log_is_clean()
