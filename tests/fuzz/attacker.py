"""Sends attacks, has each answer and each change judged, and keeps the stage ready for the next one."""

from collections.abc import Iterable

from tests.fuzz.attacks import Attack
from tests.fuzz.budget import counts
from tests.fuzz.fields import Discovered
from tests.fuzz.judge import judge, judge_changes, may_change_anything
from tests.fuzz.rows import snapshot, version
from tests.fuzz.stage import Stage
from tests.fuzz.strategy import whose
from tests.fuzz.wire import exchange
from tests.support.places.routes import Route
from tests.support.programs.servers import Server


class Attacker:
    def __init__(self, server: Server) -> None:
        self.server = server
        self._log_read = len(server.log_text())
        self._secrets: list[str] = []
        self._set_the_stage()

    def _set_the_stage(self) -> None:
        self.stage = Stage()
        self._secrets += [part.decode() for part in [*self.stage.random_parts, self.stage.decoy]]
        self._version, self._known = version(), snapshot()

    def send(self, attack: Attack) -> None:
        request = attack.request(self.stage)
        try:
            self._send(attack, request)
        except Exception as error:
            error.add_note(f"As {attack.who}: {request[:2_000]!r}")
            raise

    def _send(self, attack: Attack, request: bytes) -> None:
        counts[attack.route.pattern] += 1
        answer = exchange(self.server.port, request, attack.method)
        judge(attack, answer, self.stage)
        if version() == self._version:
            return
        before, self._version, self._known = self._known, version(), snapshot()
        if not may_change_anything(attack):
            judge_changes(attack, before, self._known, self.stage)
        # A person with the right may remove something that the next attack needs. Then everything is made anew.
        if not attack.is_safe and not self.stage.is_whole():
            self._set_the_stage()

    def discover(self, routes: Iterable[Route]) -> Discovered:
        """Opens every page once, as a person with the right, and reads the fields of its forms."""
        found = Discovered()
        for route in routes:
            attack = Attack(route, whose(route), path=route.path(**{**self.stage.words, "object_id": "«row»"}))
            answer = exchange(self.server.port, attack.request(self.stage))
            if answer.headers.get_content_type() == "text/html":
                found.read(attack.target(self.stage), answer.body.decode())
        return found

    def assert_log_is_clean(self) -> None:
        log = self.server.log_text()[self._log_read :]
        self._log_read += len(log)
        for line in log.splitlines():
            assert not any(part in line for part in self._secrets), f"a secret in the log: {line}"
            assert "event='usage_" not in line, line  # its writer has nobody to answer but the log
