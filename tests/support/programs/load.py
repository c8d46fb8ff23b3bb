"""Programs that call at the same time over real connections, each in its own process, apart from the test's."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from threading import BrokenBarrierError
from typing import Any, NamedTuple

SECONDS_TO_START = 120


class Call(NamedTuple):
    """One answer. `began` and `ended` are the times before and after it, on a clock that all processes share."""

    secret: str
    began: float
    status: int
    ended: float


class _Times(NamedTuple):
    """Events that a program waits for: all programs have begun, and `amid` has ended."""

    all_began: Any
    over: Any


_times: _Times


def call_all(port: int, plans: Sequence[Sequence[str]], amid: Callable[[], object] = lambda: None) -> list[Call]:
    """For each plan, a process with one connection sends one /verify for every secret in turn.

    `amid` is called in this process when each has had its first answer. A plan ends early if the server closes its
    connection; the answers until then are returned.
    """
    return _run(partial(_call_each, port), plans, amid)


def call_before_and_after(
    port: int, secrets: Sequence[str], programs: int, amid: Callable[[], object], query: str = ""
) -> list[Call]:
    """The given number of programs call with each secret at least once before `amid`, during `amid` and after it."""
    return _run(partial(_call_all_along, port, query=query), [secrets] * programs, amid)


def _run(program: Callable[..., list[Call]], plans: Sequence[Sequence[str]], amid: Callable[[], object]) -> list[Call]:
    context = get_context("spawn")
    times = _Times(context.Barrier(len(plans) + 1), context.Event())
    with context.Pool(len(plans), _remember, [times]) as pool:
        running = pool.map_async(program, plans, chunksize=1, error_callback=lambda _: times.all_began.abort())
        try:
            times.all_began.wait(SECONDS_TO_START)
        except BrokenBarrierError:
            running.get(1)  # raises the error of the program
            raise
        try:
            amid()
        finally:
            times.over.set()
        return [call for calls in running.get() for call in calls]


def _remember(times: _Times) -> None:
    """Runs in a program's process. Barriers can be handed over only when a process starts."""
    global _times
    _times = times


def _call_each(port: int, secrets: Sequence[str]) -> list[Call]:
    def plan() -> Iterator[str]:
        yield secrets[0]
        _times.all_began.wait(SECONDS_TO_START)
        yield from secrets[1:]

    return call_in_turn(port, plan())


def _call_all_along(port: int, secrets: Sequence[str], query: str) -> list[Call]:
    def plan() -> Iterator[str]:
        yield from secrets
        _times.all_began.wait(SECONDS_TO_START)
        while not _times.over.is_set():
            yield from secrets
        yield from secrets

    return call_in_turn(port, plan(), query)


def call_in_turn(port: int, secrets: Iterable[str], query: str = "") -> list[Call]:
    """One connection of this process sends one /verify for each secret. A gateway writes the query."""
    calls: list[Call] = []
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    with connection, suppress(ConnectionError):
        reader = connection.makefile("rb")
        for secret in secrets:
            began = time.monotonic()
            head = f"GET /api/v1/verify{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n\r\n"
            connection.sendall(head.encode())
            status = _read_answer(reader)
            if not status:
                break
            calls.append(Call(secret, began, status, time.monotonic()))
    return calls


def _read_answer(reader) -> int:
    """Reads the next answer and returns its status, or 0 if the connection ended."""
    first = reader.readline()
    if not first:
        return 0
    length = 0
    while (line := reader.readline()) not in {b"\r\n", b""}:
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    reader.read(length)
    return int(first.split(b" ")[1])
