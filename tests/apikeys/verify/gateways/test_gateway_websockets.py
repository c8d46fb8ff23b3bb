"""docs/gateways: websockets pass through each proxy, and a handshake leads to nothing but a websocket."""

import socket
import struct

import pytest

from apikeys.keys import pausing
from apikeys.secrets import secret_format
from tests.support.gateways import gateway_attacks as attacks
from tests.support.gateways.gateway_attacks import HANDSHAKE, HTTP2_SETTINGS, SPELLINGS, WEBSOCKET, head
from tests.support.gateways.proxies import Witness

# The behaviour of a proxy does not depend on the kind of database.
pytestmark = [pytest.mark.django_db, pytest.mark.nodb]


@pytest.fixture
def handshake(api_key) -> bytes:
    return head("Host: api", f"Authorization: Bearer {api_key.secret}", *WEBSOCKET)


def opened(gateway, handshake: bytes) -> socket.socket:
    """The connection after the handshake, as a websocket."""
    connection = gateway.connect()
    connection.sendall(handshake)
    assert attacks.status_of(attacks.read_head(connection)) == 101
    return connection


def echo(connection: socket.socket, text: bytes) -> bytes:
    """The answer to a text frame (RFC 6455, 5.2), masked with zeros."""
    connection.sendall(struct.pack("!BB4x", 0x81, 0x80 | len(text)) + text)
    frame = connection.recv(2 + len(text), socket.MSG_WAITALL)
    return frame[2:]


def test_a_websocket_passes_with_a_good_key(gateway, api, api_key, handshake):
    """T44: WebSockets work through each proxy, and the API learns the key's identity."""
    with opened(gateway, handshake) as connection:
        assert [echo(connection, text) for text in (b"hello", b"again")] == [b"hello", b"again"]
    [seen] = api.received
    attacks.assert_the_gateways_own(seen, api_key, websocket=True)


def test_a_handshake_with_two_connection_lines(gateway, api, api_key):
    """nginx reads only the first line and forwards an ordinary request. docs/gateways.md says so."""
    key = f"Authorization: Bearer {api_key.secret}"
    lines = ["Connection: keep-alive", "Connection: Upgrade", "Upgrade: websocket", *HANDSHAKE]
    with gateway.connect() as connection:
        connection.sendall(head("Host: api", key, *lines))
        is_ordinary = gateway.program == "nginx"
        assert attacks.status_of(attacks.read_head(connection)) == (200 if is_ordinary else 101)
    [seen] = api.received
    attacks.assert_the_gateways_own(seen, api_key, websocket=not is_ordinary)


def test_the_check_of_a_websocket_is_an_ordinary_request(server, gateway_to, api, handshake):
    with Witness.running(server.check_port) as witness:
        gateway = gateway_to(witness.server_port)
        with opened(gateway, handshake) as connection:
            assert echo(connection, b"hello") == b"hello"
    [asked] = witness.received
    names = ("Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "HTTP2-Settings")
    assert [asked.header(name) for name in names] == [None] * 4
    assert "pgrade" not in (asked.header("Connection") or "")


def test_a_websocket_without_a_good_key_is_refused(gateway, api, api_key, owner):
    pausing.pause_key(key=api_key, by=owner)
    for key in (api_key.secret, secret_format.generate("lk_"), "wrong"):
        request = head("Host: api", f"Authorization: Bearer {key}", *WEBSOCKET)
        assert attacks.status_of(attacks.send(gateway, request, attacks.http2())) == 401
    assert not api.received


def test_a_websocket_carries_no_forged_header(gateway, api, api_key):
    """T44"""
    key = ("Host: api", f"Authorization: Bearer {api_key.secret}")
    forged = [f"{name}: forged" for name in SPELLINGS]
    names = ", ".join(["HTTP2-Settings", *SPELLINGS])
    for lines in (
        [*WEBSOCKET, *forged],
        [*WEBSOCKET, HTTP2_SETTINGS],
        [f"Connection: Upgrade, {names}", HTTP2_SETTINGS, "Upgrade: WebSocket", *HANDSHAKE],
        [f"Connection: {names}, upgrade", HTTP2_SETTINGS, "upgrade: WEBSOCKET", *HANDSHAKE],
    ):
        with opened(gateway, head(*key, *lines)) as connection:
            assert echo(connection, b"hello") == b"hello"
        attacks.assert_the_gateways_own(api.received.pop(), api_key, websocket=True)


@pytest.mark.parametrize("version", ["Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 999999", "X-Own: none"])
def test_a_handshake_that_the_api_refuses_opens_no_tunnel(gateway, api, api_key, version):
    """T44: a proxy that took the API's refusal for consent would forward all following bytes unchecked."""
    key = ("Host: api", f"Authorization: Bearer {api_key.secret}")
    smuggled = head("Host: api", "X-Latchkey-Project: forged", "Connection: close", first="GET /smuggled HTTP/1.1")
    for lines in ([version, HANDSHAKE[1]], [HANDSHAKE[0]], [version]):
        for inside in (smuggled, attacks.http2(upgraded=True)):
            received = attacks.send(gateway, head(*key, *WEBSOCKET[:2], *lines), inside)
            assert attacks.status_of(received) in {400, 426}
    for seen in api.received:
        assert seen.path == "/a"
        attacks.assert_the_gateways_own(seen, api_key, websocket=True)


def test_an_open_websocket_outlives_a_pause_and_ends_with_the_proxy(server, gateway_to, api, api_key, owner, handshake):
    """The key is checked only at the handshake. docs/gateways.md says so."""
    gateway = gateway_to(server.check_port)
    with opened(gateway, handshake) as connection:
        pausing.pause_key(key=api_key, by=owner)
        assert echo(connection, b"hello") == b"hello"
        assert attacks.status_of(attacks.send(gateway, handshake)) == 401
        gateway.stop()
        assert ended(connection)


def test_a_silent_websocket_ends_with_the_proxys_time_limit(server, gateway_to, api, api_key, handshake):
    """The test sets a second in place of the minute of nginx and HAProxy. For Caddy an operator adds the limit."""
    address = f"reverse_proxy 127.0.0.1:{api.server_port}"
    limited = f"{address} {{\n\ttransport http {{\n\tread_timeout 1s\n\t}}\n\t}}"
    gateway = gateway_to(server.check_port, changes={" 60s": " 1s", address: limited})
    with opened(gateway, handshake) as connection:
        connection.settimeout(20)  # less than HAProxy's limits for other connections
        assert echo(connection, b"hello") == b"hello"
        assert ended(connection)


def ended(connection: socket.socket) -> bool:
    """Whether the other side hangs up, with or without a closing frame."""
    try:
        return connection.recv(1) in {b"", b"\x88"}
    except ConnectionResetError:
        return True
