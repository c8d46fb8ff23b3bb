"""Bytes that a client may send to a gateway, and rules for each request that reaches the API after that."""

import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived

from apikeys.bounds.asked import granted
from apikeys.models import ApiKey
from tests.support.calls.api_helpers import RawAnswer
from tests.support.gateways.proxies import Gateway, Received

FORGED = "forged"
HTTP2_SETTINGS = "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
HANDSHAKE = ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", *HANDSHAKE)

# Headers that only a gateway may send: the identity of the caller and the origin of the request.
IDENTITY = ["X-Latchkey-Key", "X-Latchkey-Project", "X-Latchkey-User", "X-Latchkey-Expires", "X-Latchkey-Refusal"]
# What the key may do, and what the gateway asks of it.
IDENTITY += ["X-Latchkey-Scopes", "X-Latchkey-Require-Scope", "X-Latchkey-Cost"]
ORIGIN = ["X-Real-IP", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto"]
# The other headers that the nginx file names.
WORDS = ["By", "Email", "Groups", "Host", "Method", "Path", "Port", "Preferred-Username", "Prefix", "Protocol"]
WORDS += ["Scheme", "Server", "Ssl", "Uri", "User"]
ORIGIN += [f"X-Forwarded-{word}" for word in WORDS]
SPELLINGS = [
    spelled for name in IDENTITY + ORIGIN for spelled in (name, name.replace("-", "_"), name.replace("-", "_", 1))
]


def head(*lines: str, first: str = "GET /a HTTP/1.1") -> bytes:
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def send(gateway: Gateway, *parts: bytes) -> bytes:
    """Everything that the gateway sends until it hangs up or is silent for two seconds. The first byte may take 20,
    because the machine may be busy.
    """
    with gateway.connect() as connection:
        connection.settimeout(20)
        received = b""
        with suppress(ConnectionResetError, BrokenPipeError, TimeoutError):
            for part in parts:
                connection.sendall(part)
            while more := connection.recv(65536):
                received += more
                connection.settimeout(2)
    return received


def status_of(received: bytes) -> int:
    return RawAnswer(received).status_code if received.startswith(b"HTTP/1.1 ") else 0


def read_head(connection: socket.socket) -> bytes:
    """An answer up to the end of its headers."""
    received = b""
    while not received.endswith(b"\r\n\r\n") and (more := connection.recv(1)):
        received += more
    return received


def http2(*, upgraded: bool = False) -> bytes:
    """A client's bytes after an upgrade to HTTP/2: a correct request with an identity that the client made up."""
    client = _client()
    client.initiate_upgrade_connection() if upgraded else client.initiate_connection()
    stream = 3 if upgraded else 1
    client.send_headers(stream, request_in_http2((name.lower(), FORGED) for name in IDENTITY), end_stream=True)
    return client.data_to_send()


def request_in_http2(headers: Iterable[tuple[str, str]], method: str = "GET") -> list[tuple[str, str]]:
    return [(":method", method), (":path", "/a"), (":scheme", "http"), (":authority", "api"), *headers]


def exchange_in_http2(gateway: Gateway, headers: list[tuple[str, str]]) -> int:
    """The status of one HTTP/2 request, or 0 if it was rejected without a status."""
    client = _client()
    client.initiate_connection()
    with gateway.connect() as connection, suppress(ConnectionResetError, BrokenPipeError, TimeoutError):
        connection.settimeout(20)
        client.send_headers(1, headers, end_stream=True)
        connection.sendall(client.data_to_send())
        while more := connection.recv(65536):
            for event in client.receive_data(more):
                if isinstance(event, ResponseReceived):
                    headers_of_answer: Any = event.headers  # text, because of header_encoding
                    return int(dict(headers_of_answer)[":status"])
                if event.__class__.__name__ in {"StreamReset", "ConnectionTerminated"}:
                    return 0
            connection.sendall(client.data_to_send())
    return 0


def _client() -> H2Connection:
    """A client that does not validate what it sends."""
    options: Any = {f"validate_{way}bound_headers": False for way in ("in", "out")}
    options |= {"client_side": True, "normalize_outbound_headers": False, "header_encoding": "utf-8"}
    return H2Connection(H2Configuration(**options))


def assert_the_gateways_own(seen: Received, key: ApiKey, *, websocket: bool = False) -> None:
    """The request has each of the gateway's own headers once, and uses HTTP/1.1."""
    assert seen.version == "1.1"
    names = [name.lower() for name, _ in seen.headers]
    assert not [name for name in names if "_" in name]
    told = {name.lower(): value for name, value in seen.headers if _is_the_gateways(name.lower())}
    assert len(told) == len([name for name in names if _is_the_gateways(name)]), seen
    assert told.pop("x-forwarded-host", seen.header("Host")) == seen.header("Host")
    upgrade = {"upgrade": "websocket", "connection": "upgrade"} if websocket else {}
    assert {name: value if "latchkey" in name else value.lower() for name, value in told.items()} == upgrade | {
        "x-latchkey-key": key.public_id,
        "x-latchkey-project": key.project.public_id,
        "x-latchkey-user": key.created_by.public_id,
        "x-latchkey-scopes": granted(key.bounds),
        "x-forwarded-for": "127.0.0.2",
        "x-forwarded-proto": "http",
    }


def _is_the_gateways(name: str) -> bool:
    words = ("latchkey", "forwarded", "real-ip")
    return name in {"upgrade", "connection", "http2-settings", "authorization"} or any(word in name for word in words)
