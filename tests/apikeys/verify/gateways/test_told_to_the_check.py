"""docs/gateways: what the check is told of a request, whatever the client sends beside it."""

import pytest

from tests.support.gateways import gateway_attacks as attacks
from tests.support.gateways.gateway_attacks import SPELLINGS, head, send
from tests.support.gateways.proxies import Witness

# The behaviour of a proxy does not depend on the kind of database.
pytestmark = [pytest.mark.django_db, pytest.mark.nodb]


@pytest.fixture
def key(api_key) -> list[str]:
    """The header lines of a request that passes the check."""
    return ["Host: api", f"Authorization: Bearer {api_key.secret}"]


CLIENTS = ["Cookie", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri"]
CLIENTS += ["X-Forwarded-Method", "X-Forwarded-Host", "Upgrade", "HTTP2-Settings", "Sec-WebSocket-Key"]
CLIENTS += ["X-Original-Method", "X_Original_Method", "X-Original_Method", "x-original-method", "X-Latchkey-Cost"]
METHOD_NAMES = {"x-forwarded-method", "x-original-method"}


def test_the_check_gets_key_address_and_method_and_nothing_else_that_decides(server, gateway_to, api, key):
    """T44, B5: the method is the request's own, however the client calls it elsewhere."""
    with Witness.running(server.check_port) as witness:
        gateway = gateway_to(witness.server_port)
        for method, path in (("GET", "/a?scope=x"), ("POST", "/a?x=%0d%0aX-Latchkey-Key:"), ("DELETE", "/b")):
            sent = [*key, "Content-Length: 0", *(f"{name}: client" for name in [*CLIENTS, *SPELLINGS])]
            received = send(gateway, head(*sent, "Connection: close", first=f"{method} {path} HTTP/1.1"))
            assert attacks.status_of(received) == 200
    assert [seen.path for seen in api.received] == ["/a?scope=x", "/a?x=%0d%0aX-Latchkey-Key:", "/b"]
    assert [told_method(gateway, asked) for asked in witness.received] == ["GET", "POST", "DELETE"]
    for asked in witness.received:
        assert asked.path == gateway.check_path
        assert "client" not in str(asked)
        told = [(name.lower(), value) for name, value in asked.headers if "forwarded" in name.lower()]
        told = [(name, value) for name, value in told if name not in {"x-forwarded-host", *METHOD_NAMES}]
        assert sorted(told) == [("x-forwarded-for", "127.0.0.2"), ("x-forwarded-proto", "http")]
        assert len([name for name, _ in asked.headers if name.lower() == "authorization"]) == 1


def told_method(gateway, asked) -> str:
    """The client's method, as the check learns it. Envoy asks with the client's method."""
    told = [value for name, value in asked.headers if name.lower() in METHOD_NAMES]
    if gateway.program == "envoy":
        assert told == []
        return asked.method
    assert asked.method in {"GET", "HEAD"}
    [method] = told
    return method


def test_headers_that_override_method_and_path_are_the_apis_to_judge(gateway, api, key):
    """docs/gateways.md says so, and its recipe for scopes removes them."""
    overrides = {"X-HTTP-Method-Override": "DELETE", "X-Original-URL": "/admin", "X-Rewrite-URL": "/admin"}
    lines = [f"{name}: {value}" for name, value in overrides.items()]
    assert attacks.status_of(send(gateway, head(*key, *lines, "Connection: close"))) == 200
    [seen] = api.received
    assert {name: seen.header(name) for name in overrides} == overrides
