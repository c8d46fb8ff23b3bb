"""HTTP as an attacker sends it: bytes, one connection for each request, no library's opinion in between."""

import socket
from contextlib import closing, suppress
from email.message import Message
from http.client import BadStatusLine, HTTPResponse, RemoteDisconnected
from typing import NamedTuple

SECONDS_TO_ANSWER = 60


class Answer(NamedTuple):
    """`status` is 0 where the server hung up without a word."""

    status: int
    headers: Message
    body: bytes

    @property
    def everything(self) -> bytes:
        return str(self.headers).encode() + self.body


def exchange(port: int, request: bytes, method: str = "GET") -> Answer:
    """The first answer to `request`. Raises TimeoutError if the server neither answers nor hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS_TO_ANSWER) as connection:
        # It may hang up on what it will not read, and before all of it has come; what it said first counts.
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

    It may wait for what does not come: `silence` is how many seconds we wait for a first answer, and `then` for each
    that follows.
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
