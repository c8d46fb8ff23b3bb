"""Servers that are restarted one after the other, behind the proxies of docs/several-servers."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException

import pytest

from tests.faults.calls import Timed, loading
from tests.faults.figures import measure
from tests.support.gateways.balancers import BALANCERS, Balancer, balanced
from tests.support.programs.servers import Server

pytestmark = pytest.mark.nodb

ROUNDS = 3
PAGE, CHECK = "/accounts/login/", "/api/v1/verify"
# A form without its token is answered 403.
RIGHT = {("GET", PAGE): 200, ("POST", PAGE): 403, ("GET", CHECK): 204, ("HEAD", CHECK): 204, ("POST", CHECK): 204}


class Client:
    """Sends one kind of request to the proxy. `keeps` says whether it keeps its connection."""

    def __init__(self, balancer: Balancer, secret: str, method: str, path: str, *, keeps: bool) -> None:
        self._port = balancer.check_port if path == CHECK else balancer.port
        self._headers = {"Host": "localhost", "Content-Length": "0", "Authorization": f"Bearer {secret}"}
        self._method, self._path, self._keeps = method, path, keeps
        self._connection = HTTPConnection("127.0.0.1", self._port, timeout=60)

    def __call__(self) -> Timed:
        """`status` is 0 if the connection brought no answer."""
        began = time.monotonic()
        try:
            self._connection.request(self._method, self._path, headers=self._headers)
            answer = self._connection.getresponse()
            status, body = answer.status, answer.read()
        except (OSError, HTTPException):
            status, body = 0, b""
        if not (self._keeps and status):
            self.close()
        return Timed(f"{self._method} {self._path}", status, began, time.monotonic() - began, body)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def clients(balancer: Balancer, secret: str) -> Iterator[list[Client]]:
    kinds = [(method, path, keeps) for method, path in RIGHT for keeps in (False, True)]
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(Client(balancer, secret, method, path, keeps=keeps)))
            for method, path, keeps in kinds
        ]


def is_wrong(answer: Timed) -> bool:
    method, _, path = answer.kind.partition(" ")
    return answer.status != RIGHT[method, path]


def is_ready(server: Server) -> bool:
    ports = (server.port, server.check_port)
    return all(server.request("GET", "/health/ready", port=port).status == 200 for port in ports)


def two_servers(installation) -> list[Server]:
    # Production's own default; here it is 0, so that tests end sooner.
    return [installation.start_server(SHUTDOWN_DELAY_SECONDS="3", TRUSTED_PROXIES="1") for _ in range(2)]


@pytest.mark.parametrize("kind", BALANCERS)
def test_the_documented_proxy_sends_everything_to_a_server(installation, tmp_path, kind):
    servers = two_servers(installation)
    with balanced(kind, tmp_path, servers) as balancer, clients(balancer, installation.people.secrets[0]) as asking:
        for client in asking:
            assert not is_wrong(answer := client()), answer
    for server in servers:
        server.process.kill()  # it has nothing to finish


@pytest.mark.faults
@pytest.mark.parametrize("kind", BALANCERS)
def test_a_rolling_restart_is_noticed_by_nobody(installation, tmp_path, kind):
    """Forms too, and checks with every method, on new and on kept connections."""
    servers = two_servers(installation)
    with (
        balanced(kind, tmp_path, servers) as balancer,
        clients(balancer, installation.people.secrets[0]) as asking,
        loading(asking, pause=0.02) as answers,
    ):
        for server in servers * ROUNDS:
            server.stop()
            server.start()
            while not is_ready(server):
                time.sleep(0.05)
    assert len(answers) > 1000
    wrong = [(answer.kind, answer.status, answer.body[:80]) for answer in answers if is_wrong(answer)]
    measure("24", f"{kind.program}, rolling restarts: bad answers, of {len(answers)}", len(wrong), at_most=0)
