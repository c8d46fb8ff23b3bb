"""HTTP as an attacker sends it: bytes, one connection for each request, and no library in between."""

import socket
from contextlib import closing, suppress
from email.message import Message
from http.client import BadStatusLine, HTTPResponse, RemoteDisconnected
from typing import NamedTuple

SECONDS_TO_ANSWER = 60


class Answer(NamedTuple):
    """`status` is 0 if the server hung up without an answer."""

    status: int
    headers: Message
    body: bytes

    @property
    def everything(self) -> bytes:
        return str(self.headers).encode() + self.body


def exchange(port: int, request: bytes, method: str = "GET") -> Answer:
    """The first answer to `request`. Raises TimeoutError if the server neither answers nor hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS_TO_ANSWER) as connection:
        # The server may hang up before it has read everything. Its answer counts nevertheless.
        with suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(request)
        with closing(HTTPResponse(connection, method=method)) as response:
            try:
                response.begin()
                return Answer(response.status, response.headers, response.read())
            except (RemoteDisconnected, BadStatusLine, ConnectionResetError):
                return Answer(0, Message(), b"")


def answers(port: int, request: bytes, silence: float = SECONDS_TO_ANSWER, then: float = 0.5) -> list[int]:
    """The status of every answer to these bytes, until the server hangs up.

    The server may wait for more bytes: `silence` is how many seconds we wait for the first answer, and `then` for each
    later one.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=silence) as connection:
        with suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(request)
        with suppress(ConnectionResetError, TimeoutError):
            while more := connection.recv(65536):
                received += more
                connection.settimeout(then)
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:] if part[:3].isdigit()]
