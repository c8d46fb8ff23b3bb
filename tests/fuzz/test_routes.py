"""Every input of every route, over HTTP against the server's own process.

The routes are read from the URLconf and the fields from the forms, so that a new one is attacked without being
named here. What must hold of every answer stands in judge.py.
"""

import pytest

from config import health
from tests.fuzz.attacks import Attack
from tests.fuzz.budget import SECONDS, attempt, counts, rounds
from tests.fuzz.fields import Discovered
from tests.fuzz.judge import judge, judge_changes
from tests.fuzz.rows import snapshot
from tests.fuzz.stage import PEOPLE, Stage, forget_limits
from tests.fuzz.strategy import attacks_on
from tests.fuzz.wire import exchange
from tests.routes import Route, all_routes
from tests.servers import Server

SHARE = 0.55
EXAMPLES = 4 if not SECONDS else 15


def no_view() -> None:
    """Answered by middleware, before any view."""


ROUTES = [*all_routes(), *(Route(path[1:], no_view) for path in health.VIEWS), Route("static/favicon.svg", no_view)]


class Attackers:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.stage = Stage()
        self.known = snapshot()
        self.log_read = len(server.log_text())

    def send(self, attack: Attack) -> None:
        counts[attack.route.pattern] += 1
        answer = exchange(self.server.port, attack.request(self.stage), attack.method)
        judge(attack, answer, self.stage)
        before, self.known = self.known, snapshot()
        judge_changes(attack, before, self.known, self.stage)
        if before != self.known or "logout" in attack.path or "sessions" in attack.path:
            self.mend()

    def mend(self) -> None:
        """Who has the right to may end what the next attack needs; then everything is made anew."""
        if not self.stage.is_whole():
            self.stage = Stage()
            self.known = snapshot()

    def discover(self) -> Discovered:
        """Opens every page as everyone once, for the fields of its forms."""
        found = Discovered()
        for route in ROUTES:
            for who in PEOPLE:
                attack = Attack(route, who, path=route.path(**{**self.stage.words, "object_id": "«row»"}))
                answer = exchange(self.server.port, attack.request(self.stage))
                if answer.headers.get_content_type() == "text/html":
                    found.read(attack.target(self.stage), answer.body.decode())
        return found

    def assert_log_is_clean(self) -> None:
        log = self.server.log_text()[self.log_read :]
        lines = [line for line in log.splitlines() if any(part.decode() in line for part in self.stage.random_parts)]
        assert not lines, f"a secret in the log: {lines[0][:500]}"
        self.log_read += len(log)


@pytest.fixture
def attackers(server) -> Attackers:
    return Attackers(server)


def test_no_input_of_any_route_breaks_in_or_breaks_it(attackers):
    """T16, T18, T19, T24, T25, T29: no 5xx, no entry, no change without the right, no secret, errors in shape."""
    found = attackers.discover()
    for number in rounds(SHARE):
        for route in ROUTES:
            forget_limits()
            attempt(
                attackers.send, attacks_on(route, found), examples=EXAMPLES, name=f"{number} {route.pattern}"
            )
            attackers.assert_log_is_clean()
