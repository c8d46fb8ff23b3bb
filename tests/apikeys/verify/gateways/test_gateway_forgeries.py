"""docs/gateways in front of an API that accepts HTTP/2 by upgrade: clients try to bypass, forge and shadow."""

import pytest

from apikeys.bounds.restrictions import Restrictions
from apikeys.bounds.services import restrict_key
from tests.support.gateways import gateway_attacks as attacks
from tests.support.gateways.gateway_attacks import (
    FORGED,
    HANDSHAKE,
    HTTP2_SETTINGS,
    IDENTITY,
    ORIGIN,
    SPELLINGS,
    WEBSOCKET,
    head,
    send,
)
from tests.support.gateways.proxies import Recorder

# The behaviour of a proxy does not depend on the kind of database.
pytestmark = [pytest.mark.django_db, pytest.mark.nodb]


@pytest.fixture
def key(api_key) -> list[str]:
    """The header lines of a request that passes the check."""
    return ["Host: api", f"Authorization: Bearer {api_key.secret}"]


SMUGGLED = head("Host: api", "Connection: close", "X-Latchkey-Project: forged", first="GET /smuggled HTTP/1.1")

UPGRADES = {
    "h2c": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", HTTP2_SETTINGS],
    "odd case": ["connection: upgrade, http2-settings", "upgrade: H2C", HTTP2_SETTINGS.upper()],
    "no settings": ["Connection: Upgrade", "Upgrade: h2c"],
    "not in Connection": ["Upgrade: h2c", HTTP2_SETTINGS],
    "no Upgrade": ["Connection: Upgrade, HTTP2-Settings", HTTP2_SETTINGS],
    "Connection twice": ["Connection: HTTP2-Settings", "Connection: Upgrade", "Upgrade: h2c", HTTP2_SETTINGS],
    "websocket first": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: websocket, h2c", HTTP2_SETTINGS],
    "websocket last": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c, websocket", HTTP2_SETTINGS],
    "websocket's handshake": ["Connection: Upgrade", "Upgrade: h2c", HTTP2_SETTINGS, *HANDSHAKE],
    "a version of websocket": ["Connection: Upgrade", "Upgrade: websocket/13", HTTP2_SETTINGS],
    "TLS": ["Connection: Upgrade", "Upgrade: TLS/1.0"],
    "HTTP": ["Connection: Upgrade", "Upgrade: HTTP/2.0, TLS/1.0"],
    "folded": ["Connection: Upgrade", "Upgrade:\r\n h2c", HTTP2_SETTINGS],
    "underscore": ["Connection: Upgrade", "Upgrade_: h2c", "HTTP2_Settings: AAMA"],
}


def test_no_upgrade_leads_out_of_http_1_1(gateway, api, api_key, key):
    """T44: requests after an upgrade are not checked, so a client could name any project."""
    for name, lines in UPGRADES.items():
        for method in ("GET", "OPTIONS"):
            request = head(*key, *lines, first=f"{method} /a HTTP/1.1")
            received = send(gateway, request, attacks.http2(upgraded=True))
            assert attacks.status_of(received) in {200, 400}, name
    # A proxy may reject an unusual upgrade. The others continue in HTTP/1.1.
    assert len(api.received) >= len(UPGRADES)
    for seen in api.received:
        # Envoy takes websocket out of a list that offers it.
        is_websocket = gateway.program == "envoy" and seen.header("Upgrade") == "websocket"
        attacks.assert_the_gateways_own(seen, api_key, websocket=is_websocket)
    assert FORGED not in str(api.received)


def test_two_upgrade_headers_are_the_gateways_own_one_or_none(gateway, api, api_key, key):
    """T44: hypercorn believes the last one."""
    for order in (["websocket", "h2c"], ["h2c", "websocket"], ["h2c", "h2c"]):
        lines = [f"Upgrade: {protocol}" for protocol in order]
        received = send(
            gateway, head(*key, "Connection: Upgrade", *lines, HTTP2_SETTINGS), attacks.http2(upgraded=True)
        )
        assert attacks.status_of(received) in {200, 400}, order
    for seen in api.received:
        attacks.assert_the_gateways_own(seen, api_key)


@pytest.mark.parametrize("first", ["CONNECT api:80 HTTP/1.1", "CONNECT / HTTP/1.1", "PRI * HTTP/2.0", "PRI * HTTP/1.1"])
def test_no_tunnel_is_opened(gateway, api, key, first):
    """T44: bytes in a tunnel would reach the API without a check, as HTTP/2 or as further requests."""
    host = first.split()[1] if ":" in first else "api"
    for inside in (SMUGGLED, b"SM\r\n\r\n", attacks.http2()):
        received = send(gateway, head(f"Host: {host}", key[1], "Connection: close", first=first), inside)
        assert attacks.status_of(received) in {0, 400, 401, 405}
    assert not api.received


def test_http_2_from_the_first_byte_is_refused(gateway, api, api_key):
    """T44: without TLS, client and proxy have not agreed on HTTP/2."""
    assert exchange(gateway, [("authorization", f"Bearer {api_key.secret}")]) == 0
    assert not api.received


def test_no_header_of_the_gateway_can_be_forged(gateway, api, api_key, key):
    """T44: many servers treat X_Forwarded_For as X-Forwarded-For, and granian uses the last of the two."""
    assert (
        attacks.status_of(send(gateway, head(*key, *(f"{name}: {FORGED}" for name in SPELLINGS), "Connection: close")))
        == 200
    )
    for name in SPELLINGS:
        values = [f"{name}: {FORGED}", f"{name.upper()}: https"]
        assert attacks.status_of(send(gateway, head(*key, *values, "Connection: close"))) == 200, name
    assert len(api.received) == 1 + len(SPELLINGS)
    for seen in api.received:
        attacks.assert_the_gateways_own(seen, api_key)


# Without a Host, no server behind the proxy accepts the request.
REFUSED_BY_ENVOY = {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Host"}


def test_connection_removes_no_header_of_the_gateway(gateway, api, api_key, key):
    """T44: proxies remove the headers that Connection names, both this proxy and others before the API (RFC 9110,
    7.6.1).
    """
    for name in [*IDENTITY, *ORIGIN, "Host", "Connection", "Upgrade"]:
        if gateway.program == "envoy" and name in REFUSED_BY_ENVOY:
            assert attacks.status_of(send(gateway, head(*key, f"Connection: close, {name}"))) == 400, name
            continue
        assert attacks.status_of(send(gateway, head(*key, f"Connection: close, {name}"))) == 200, name
        attacks.assert_the_gateways_own(api.received.pop(), api_key)
    for lines in (["Connection: close, Authorization"], ["Connection: Authorization", "Connection: close"]):
        assert attacks.status_of(send(gateway, head(*key, *lines))) in {200, 401}
    for seen in api.received:
        attacks.assert_the_gateways_own(seen, api_key)


def test_two_keys_are_no_key(gateway, api, api_key):
    """T44: the check and the API must not believe different keys."""
    good, bad = f"Authorization: Bearer {api_key.secret}", "Authorization: Bearer lk_bad"
    for lines in (
        [good, bad],
        [bad, good],
        [good, good],
        [good, bad.upper()],
        [f"{good}, Bearer lk_bad"],
        [f"{good}\r\n , Bearer lk_bad"],
    ):
        assert attacks.status_of(send(gateway, head("Host: api", *lines, "Connection: close"))) in {400, 401}, lines
    assert not api.received


def test_a_key_beside_an_empty_one_is_no_key_or_the_only_one(gateway, api, api_key):
    """T44: Envoy drops an empty Authorization before anything reads it."""
    good = f"Authorization: Bearer {api_key.secret}"
    for lines in ([good, "Authorization:"], ["Authorization:", good]):
        status = attacks.status_of(send(gateway, head("Host: api", *lines, "Connection: close")))
        assert status in ({200} if gateway.program == "envoy" else {400, 401}), lines
    assert len(api.received) == (2 if gateway.program == "envoy" else 0)
    for seen in api.received:
        attacks.assert_the_gateways_own(seen, api_key)


def test_two_hosts_are_refused(gateway, api, key):
    """T44"""
    assert attacks.status_of(send(gateway, head(*key, "Host: other"))) == 400
    assert not api.received


FRAMINGS = [
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    ["Transfer-Encoding: identity, chunked"],
    ["Transfer-Encoding: xchunked"],
    ["Transfer-Encoding: \x0bchunked", "Content-Length: 5"],
    ["Transfer-Encoding : chunked", "Content-Length: 5"],
    ["Transfer_Encoding: chunked", "Content-Length: 5"],
    ["Content-Length: 5", "Content-Length: 0"],
    ["Content-Length: 5, 0"],
    ["Content-Length: +5"],
    ["Content_Length: 0", "Content-Length: 5"],
]


def test_a_body_hides_no_request(gateway, api, api_key, key):
    """T44"""
    for lines in FRAMINGS:
        send(gateway, head(*key, *lines, first="POST /a HTTP/1.1"), b"0\r\n\r\n", SMUGGLED)
    for seen in api.received:
        assert seen.path == "/a"
        attacks.assert_the_gateways_own(seen, api_key)


ODD_LINES = [
    "X-Own: a\r\n X-Latchkey-Project: forged",
    "X-Own: a\r\n\tX-Latchkey-Project: forged",
    "X-Own: a\rX-Latchkey-Project: forged",
    "X-Own: a\nX-Latchkey-Project: forged",
    "X-Own: a\0X-Latchkey-Project: forged",
    "X-Own: a\x85X-Latchkey-Project: forged",
    "X-Latchkey-Project : forged",
    " X-Latchkey-Project: forged",
    "\x0bX-Latchkey-Project: forged",
    "X-Latchkey-Project\0: forged",
    "X-Latchkey-Project",
    ": forged",
    "X.Latchkey.Project: forged",
    "X.Forwarded.For: forged",
]


def test_no_odd_line_becomes_a_header_of_the_gateway(gateway, api, api_key, key):
    """T44"""
    for line in ODD_LINES:
        for lines in ([*key, line], [line, *key]):
            send(gateway, head(*lines, "Connection: close"))
    for seen in api.received:
        attacks.assert_the_gateways_own(seen, api_key)


TARGETS = [
    *("//a", "/../a", "/a/../../b", "/%2e%2e/a", "/a%2fb", "/a//b/./c", "/;a=b", "/?scope=x", "/?", "/a?b?c&d=%00"),
    *("/?x=%0d%0aX-Latchkey-Key:", "/%0d%0aX-Latchkey-Key:%20forged", "/_latchkey", "//_latchkey", "/a/..//_latchkey"),
    *("/api/v1/verify", "http://api/a", "http://other/a?b", "https://api/a", "http://api", "*", "a", "@other/a"),
]


def test_the_api_gets_only_checked_requests_whatever_the_target(gateway, api, api_key, key):
    """T44: no target bypasses the check. Without a key nothing reaches the API."""
    for target in TARGETS:
        for method in ("GET", "OPTIONS"):
            send(gateway, head("Host: api", "Connection: close", first=f"{method} {target} HTTP/1.1"))
    assert not api.received
    for target in TARGETS:
        send(gateway, head(*key, "Connection: close", first=f"GET {target} HTTP/1.1"))
    assert len(api.received) > 10
    for seen in api.received:
        attacks.assert_the_gateways_own(seen, api_key)


# An operator's lines that allow HTTP/2, here without TLS, one for each proxy.
HTTP2_ALLOWED = {
    "default_server;": "default_server http2;",
    "\tadmin off": "\tadmin off\n\tservers {\n\t\tprotocols h1 h2c\n\t}",
    "    option disable-h2-upgrade\n": "",
    "codec_type: HTTP1": "codec_type: AUTO",
}


def test_the_same_holds_for_clients_that_speak_http_2(server, gateway_to, api, api_key):
    """T44, B5: a proxy that ends TLS offers HTTP/2. HAProxy also accepts websockets over it (RFC 8441)."""
    gateway = gateway_to(server.check_port, changes=HTTP2_ALLOWED)
    key = ("authorization", f"Bearer {api_key.secret}")
    forged = [(name.lower(), FORGED) for name in [*SPELLINGS, "HTTP2-Settings"]]
    assert exchange(gateway, [key, *forged]) == 200
    assert len(api.received) == 1
    for lines in (
        [("connection", "upgrade, http2-settings, x-latchkey-key"), ("upgrade", "h2c")],
        [(name.lower(), value) for name, value in (line.split(": ") for line in WEBSOCKET)],
        [("x-own", "a\r\nx-latchkey-project: forged")],
        [("X-Latchkey-Project", FORGED)],
        [("transfer-encoding", "chunked")],
    ):
        exchange(gateway, [key, *lines])
    exchange(gateway, [(":protocol", "h2c"), key], "CONNECT")
    for seen in api.received:
        attacks.assert_the_gateways_own(seen, api_key)
    api.received.clear()
    exchange(gateway, [key], "CONNECT")
    restrict_key(key=api_key, restrictions=Restrictions(read_only=True), by=None)
    for method in ("DELETE", "delete", "get", "GET ", "GET\r\nx: y", "X"):
        assert exchange(gateway, [key, *forged, ("x-original-method", "GET")], method) in {0, 400, 403, 405, 502}, (
            method
        )
    assert exchange(gateway, [key, ("authorization", "Bearer lk_bad")]) in {400, 401}
    assert exchange(gateway, [("authorization", "Bearer lk_bad"), key]) in {400, 401}
    assert exchange(gateway, forged) == 401
    assert not api.received


def exchange(gateway, headers, method="GET") -> int:
    return attacks.exchange_in_http2(gateway, attacks.request_in_http2(headers, method))


def test_trailers_of_a_body(server, gateway_to, api_key, key):
    """T44: docs/gateways.md says which proxy forwards trailers, and that they come from the client."""
    body = b"1\r\na\r\n0\r\nX-Latchkey-Project: forged\r\n\r\n"
    with Says204.running() as reads_trailers:
        gateway = gateway_to(server.check_port, api_port=reads_trailers.server_port)
        lines = [*key, "Trailer: X-Latchkey-Project", "Transfer-Encoding: chunked", "Connection: close"]
        assert attacks.status_of(send(gateway, head(*lines, first="POST /a HTTP/1.1"), body)) == 204
    [seen] = reads_trailers.received
    assert seen.body == "a"
    attacks.assert_the_gateways_own(seen, api_key)
    passed = [b"x-latchkey-project: forged"] if gateway.program == "haproxy" else []
    assert reads_trailers.trailers == passed


class Says204(Recorder):
    def answer(self, request):
        return 204, {}, b""
