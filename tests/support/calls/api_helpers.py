"""Checks the shape of errors, and sends requests of raw bytes that no HTTP library would send."""

import json
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from email.parser import BytesParser
from typing import Any

from apikeys.refusals import INSUFFICIENT_SCOPE
from tests.support.programs.servers import Server

SECONDS_TO_ANSWER = 60

_CHALLENGES = {"key_missing": None}
_SECRET = re.compile(r"[a-z][a-z0-9]{0,11}_[0-9A-Za-z]{36}")
_REQUEST_ID = re.compile(r"req_[0-9A-Za-z]{16}")


class RawAnswer:
    """An answer read from a socket, with the parts that `assert_error` needs. Status 0 means that none came."""

    def __init__(self, received: bytes) -> None:
        head, _, body = received.partition(b"\r\n\r\n")
        first, _, fields = head.partition(b"\r\n")
        self.status_code = int(first.split(b" ")[1]) if first else 0
        self.content = b"" if self.status_code == 204 else body  # bytes after a 204 belong to the next answer
        self.headers: Mapping[str, str] = BytesParser().parsebytes(fields + b"\r\n\r\n")  # type: ignore[assignment]

    def json(self) -> Any:
        return json.loads(self.content)


def assert_error(response: Any, status: int, code: str) -> str:
    """Checks that `response` is the error `code` with `status`, in the envelope and without a secret. Returns its
    message.
    """
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    assert set(answer) == {"meta", "data", "error", "links"}
    assert set(answer["meta"]) == {"request_id", "project_id", "type"}
    assert answer["meta"]["type"] == "error"
    assert _REQUEST_ID.fullmatch(answer["meta"]["request_id"])
    assert response.headers["X-Request-Id"] == answer["meta"]["request_id"]
    assert (answer["data"], answer["links"]) == (None, {})
    assert set(answer["error"]) == {"code", "message"}
    assert answer["error"]["code"] == code
    assert answer["error"]["message"].endswith("."), "a message is a sentence"
    assert "no-store" in response.headers["Cache-Control"]
    challenge = response.headers.get("WWW-Authenticate")
    if code == INSUFFICIENT_SCOPE.code:
        assert re.fullmatch(r'Bearer realm="api", error="insufficient_scope", scope="[^"]+"', challenge or "")
    else:
        assert challenge == (_challenge(code) if status == 401 else None)
    _assert_repeats_no_secret(response)
    return str(answer["error"]["message"])


def _challenge(code: str) -> str:
    """RFC 6750, 3 and 3.1"""
    error = _CHALLENGES.get(code, "invalid_token")
    return 'Bearer realm="api"' + (f', error="{error}"' if error else "")


def _assert_repeats_no_secret(response: Any) -> None:
    everything = response.content.decode() + str(response.headers)
    assert not _SECRET.search(everything)
    request = getattr(response, "wsgi_request", None)
    sent = request.META.get("HTTP_AUTHORIZATION", "").split(" ", 1)[-1] if request else ""
    assert not re.search(r"\w{20}", sent) or sent not in everything


def send_raw(server: Server, *parts: bytes, port: int | None = None) -> RawAnswer:
    """The first answer to these bytes, from the pages' port unless `port` is given.

    Raises TimeoutError if neither an answer nor the end of the connection comes within a minute.
    """
    with socket.create_connection(("127.0.0.1", port or server.port), timeout=SECONDS_TO_ANSWER) as connection:
        received = b""
        # A server may hang up before it has read all bytes that are not HTTP. Its answer still counts.
        with suppress(ConnectionResetError, BrokenPipeError):
            for part in parts:
                connection.sendall(part)
        with suppress(ConnectionResetError):
            while not _is_whole(received) and (more := connection.recv(65536)):
                received += more
    return RawAnswer(received)


def _is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(end) and (length is None or len(body) >= int(length[1]))


def get_request(path: str, *authorization: bytes) -> bytes:
    """A GET that has each given value in its own Authorization header, byte for byte."""
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
    return head + b"".join(b"Authorization: " + value + b"\r\n" for value in authorization) + b"\r\n"
