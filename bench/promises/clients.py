"""Clients that call all servers all the time, and note each call's beginning and its answer."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from http.client import HTTPConnection
from typing import NamedTuple

from bench.tools.load import VERIFY, LoadFailed

SECONDS_TO_WAIT = 30
SECONDS_A_TURN = 0.0005


class Call(NamedTuple):
    """`user` is the person that the answer names."""

    began: float
    port: int
    header: str
    status: int
    user: str | None


Is = Callable[[Call], bool]


class Clients:
    """Threads that call with `header`, so many at each port, one call after the other."""

    def __init__(self, ports: Sequence[int], each: int) -> None:
        self.header = ""
        self.calls: list[Call] = []
        self._ports = ports
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=[port], daemon=True) for port in ports for _ in range(each)
        ]

    def __enter__(self) -> "Clients":
        # The person who changes a key is a thread beside them, and must not wait long for its turn.
        sys.setswitchinterval(SECONDS_A_TURN)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(SECONDS_TO_WAIT)

    def _call(self, port: int) -> None:
        with closing(HTTPConnection("127.0.0.1", port, timeout=SECONDS_TO_WAIT)) as connection:
            while not self._ended.is_set():
                header, began = self.header, time.monotonic()
                # A gateway names the client's method, which a read-only key may not use.
                fields = {"X-Original-Method": "POST"} | ({"Authorization": header} if header else {})
                connection.request("GET", VERIFY, headers=fields)
                answer = connection.getresponse()
                answer.read()
                self.calls.append(Call(began, port, header, answer.status, answer.headers["X-Latchkey-User"]))

    def begin(self, header: str) -> None:
        """All calls from now on are made with `header`."""
        self.calls, self.header = [], header

    def wait(self, is_meant: Is, *, each: int, since: float = 0) -> None:
        """Waits until so many meant calls that began after `since` were answered at each port."""
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while any(sum(call.port == port for call in self.found(is_meant, since)) < each for port in self._ports):
            if time.monotonic() > deadline:
                seen = {(call.status, call.user) for call in self.found(lambda call: True, since)}
                raise LoadFailed(f"The clients waited in vain. They saw {seen}.")
            time.sleep(0.005)

    def found(self, is_meant: Is, since: float) -> list[Call]:
        return [
            call for call in list(self.calls) if call.header == self.header and call.began > since and is_meant(call)
        ]
