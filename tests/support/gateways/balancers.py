"""Real proxies with the files of docs/several-servers, in front of two servers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.environment import REPOSITORY, lacking
from tests.support.gateways.proxies import Gateway, Haproxy, Nginx, find
from tests.support.programs.postgres import free_port
from tests.support.programs.servers import Server

SEVERAL_SERVERS = REPOSITORY / "docs" / "several-servers"
# The addresses in the files. Tests replace them with those of their servers.
PAGES, CHECKS = ("10.0.0.1:8000", "10.0.0.2:8000"), ("10.0.0.1:8001", "10.0.0.2:8001")


class Balancer(Gateway):
    """Pages and API on `port`, the check on `check_port`."""

    configurations = SEVERAL_SERVERS
    servers: Sequence[Server] = ()

    def __init__(self, folder: Path, servers: Sequence[Server]) -> None:
        self.servers, self.check_port = servers, free_port()
        super().__init__(folder, latchkey_port=0, api_port=0)

    def fitted(self, text: str) -> str:
        ports = [server.port for server in self.servers] + [server.check_port for server in self.servers]
        for address, port in zip(PAGES + CHECKS, ports, strict=True):
            assert address in text
            text = text.replace(address, f"127.0.0.1:{port}")
        for listens in ("listen ", "bind :"):
            text = text.replace(f"{listens}8001", f"{listens.strip(':')}127.0.0.1:{self.check_port}")
        return super().fitted(text)


class BalancingNginx(Balancer, Nginx):
    files = ("nginx.conf",)


class BalancingHaproxy(Balancer, Haproxy):
    files = ("haproxy.cfg",)


BALANCERS: list[type[Balancer]] = [BalancingNginx, BalancingHaproxy]


@contextmanager
def balanced(kind: type[Balancer], folder: Path, servers: Sequence[Server]) -> Iterator[Balancer]:
    if not find(kind.program):
        lacking(kind.program)
    balancer = kind(folder, servers)
    try:
        balancer.start()
        yield balancer
    finally:
        balancer.stop()
