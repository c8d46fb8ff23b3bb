"""Servers that are restarted one after the other, behind nginx with the configuration of docs/running.md."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

import pytest

from tests.faults.calls import Timed, loading
from tests.faults.figures import measure
from tests.support.environment import REPOSITORY, lacking
from tests.support.gateways.proxies import Nginx, find
from tests.support.programs.servers import Server

pytestmark = [pytest.mark.nodb, pytest.mark.faults]

ROUNDS = 3


class Balancer(Nginx):
    """nginx with the `upstream` of docs/running.md, before two servers."""

    files = ()
    servers: tuple[Server, ...] = ()

    def start(self) -> None:
        section = (REPOSITORY / "docs" / "running.md").read_text().partition("\n## Several servers\n")[2]
        upstream = re.search(r"```nginx\n(.*?)```", section, re.DOTALL)
        assert upstream
        text = upstream[1]
        for documented, server in zip(("10.0.0.1:8000", "10.0.0.2:8000"), self.servers, strict=True):
            assert documented in text
            text = text.replace(documented, f"127.0.0.1:{server.port}")
        (self.folder / "nginx.conf").write_text(
            f"{text} server {{ listen 127.0.0.1:{self.port}; location / {{ proxy_pass http://latchkey; }} }}"
        )
        super().start()


@contextmanager
def balanced(folder, *servers: Server) -> Iterator[Balancer]:
    if not find("nginx"):
        lacking("nginx")
    balancer = Balancer(folder, latchkey_port=0, api_port=0)
    balancer.servers = servers
    try:
        balancer.start()
        yield balancer
    finally:
        balancer.stop()


def ready(server: Server) -> bool:
    return server.request("GET", "/health/ready").status == 200


def answer(balancer: Balancer, method: str) -> Timed:
    """The answer on a new connection. `status` is 0 if the connection brought none."""
    began = time.monotonic()
    try:
        answered = balancer.request(method, "/accounts/login/", headers={"Content-Length": "0"})
    except (OSError, HTTPException):
        return Timed(method, 0, began, time.monotonic() - began, b"")
    return Timed(method, answered.status_code, began, time.monotonic() - began, answered.content)


def test_a_rolling_restart_is_noticed_by_nobody(installation, tmp_path):
    """Forms too: nginx sends a form to the other server if the first one refuses the connection."""
    servers = [installation.start_server(ALLOWED_HOSTS="latchkey") for _ in range(2)]
    with balanced(tmp_path, *servers) as balancer:
        calls = [lambda: answer(balancer, "GET"), lambda: answer(balancer, "POST")] * 2
        with loading(calls, pause=0.02) as answers:
            for server in servers * ROUNDS:
                server.stop()
                server.start()
                while not ready(server):
                    time.sleep(0.05)
    statuses = [found.status for found in answers]
    assert {200, 403} <= set(statuses), "the form without its token is answered 403"
    failed = sum(status in {0, 500, 502, 503, 504} for status in statuses)
    measure("24", f"rolling restarts behind nginx: calls not answered, of {len(statuses)}", failed, at_most=0)
