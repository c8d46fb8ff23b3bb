"""Fixtures for the tests of docs/gateways; tests/conftest.py imports them."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.environment import lacking
from tests.support.gateways.gateway_api import Api
from tests.support.gateways.proxies import GATEWAYS, Gateway, find
from tests.support.gateways.recipes import with_recipes
from tests.support.programs.servers import Server


@pytest.fixture(scope="session")
def session_api() -> Iterator[Api]:
    with Api.running() as api:
        yield api


@pytest.fixture
def api(session_api: Api) -> Api:
    """The server behind the gateway, with an empty record of requests."""
    session_api.received.clear()
    return session_api


@pytest.fixture(scope="session", params=GATEWAYS, ids=lambda kind: kind.program)
def gateway_kind(request: pytest.FixtureRequest) -> type[Gateway]:
    kind: type[Gateway] = request.param
    if not find(kind.program):
        lacking(kind.program)
    return kind


@pytest.fixture(scope="session")
def session_gateway(gateway_kind, tmp_path_factory, session_server, session_api) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp(gateway_kind.program)
    gateway = gateway_kind(folder, latchkey_port=session_server.check_port, api_port=session_api.server_port)
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def gateway(server: Server, api: Api, session_gateway: Gateway) -> Gateway:
    """The documented proxy in front of `api`. It asks `server` about keys."""
    return session_gateway


@pytest.fixture(scope="session")
def session_gateway_with_recipes(gateway_kind, tmp_path_factory, session_server, session_api) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp(gateway_kind.program)
    ports = {"latchkey_port": session_server.check_port, "api_port": session_api.server_port}
    gateway = with_recipes(gateway_kind)(folder, **ports)
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def gateway_with_recipes(server: Server, api: Api, session_gateway_with_recipes: Gateway) -> Gateway:
    """The documented proxy with all recipes of docs/gateways.md: it also names scopes and costs."""
    return session_gateway_with_recipes


@pytest.fixture
def gateway_to(gateway_kind, tmp_path, api) -> Iterator[Callable[..., Gateway]]:
    """Starts another proxy: `gateway_to(latchkey_port)`."""
    started: list[Gateway] = []

    def start(latchkey_port: int, **options) -> Gateway:
        options = {"api_port": api.server_port, **options}
        started.append(gateway_kind(tmp_path, latchkey_port=latchkey_port, **options))
        started[-1].start()
        return started[-1]

    yield start
    for gateway in started:
        gateway.stop()
