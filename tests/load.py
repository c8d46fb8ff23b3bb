"""Programs that call at once over real connections, from processes of their own so that they do not wait for us."""

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import get_context
from typing import NamedTuple


class Call(NamedTuple):
    """One answer; `began` is when the request was sent, by the clock that all processes share."""

    secret: str
    began: float
    status: int


def call_all(port: int, plans: Sequence[Sequence[str]]) -> list[Call]:
    """Sends, for each plan on a connection and in a process of its own, one /verify for every secret in turn.

    A plan ends early where the server closes its connection; what was answered until then is returned.
    """
    with get_context("spawn").Pool(len(plans)) as pool:
        return [call for calls in pool.starmap(_call_each, [(port, plan) for plan in plans]) for call in calls]


def _call_each(port: int, secrets: Sequence[str]) -> list[Call]:
    calls: list[Call] = []
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    with connection, suppress(ConnectionError):
        reader = connection.makefile("rb")
        for secret in secrets:
            began = time.monotonic()
            head = f"GET /api/v1/verify HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n\r\n"
            connection.sendall(head.encode())
            status = _read_answer(reader)
            if not status:
                break
            calls.append(Call(secret, began, status))
    return calls


def _read_answer(reader) -> int:
    """The status of the next answer, whose body is read; 0 where the connection ended."""
    first = reader.readline()
    if not first:
        return 0
    length = 0
    while (line := reader.readline()) not in {b"\r\n", b""}:
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    reader.read(length)
    return int(first.split(b" ")[1])
