"""Servers that answer in Latchkey's place."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Barrier, Event, Thread
from typing import Any

from tests.support.gateways.proxies import Received, Recorder, Witness

SECONDS_TO_MEET = 60


class Pretender(Recorder):
    """Gives the answer in `says`: status and headers. None: it hangs up without an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.says: tuple[int, dict[str, str]] | None = None

    def answer(self, request: Received) -> tuple[int, dict[str, str], bytes]:
        if self.says is None:
            raise ConnectionError
        return *self.says, b"" if request.method == "HEAD" else b"<p>Not Latchkey"


class Slow(Recorder):
    """Lets everybody in, but only once `may_answer` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = Event()

    def answer(self, request: Received) -> tuple[int, dict[str, str], bytes]:
        self.may_answer.wait(SECONDS_TO_MEET)
        return 204, {"X-Latchkey-Key": "key_slow", "X-Latchkey-Project": "p", "X-Latchkey-User": "u"}, b""


class Dripping(socketserver.ThreadingTCPServer):
    """Lets everybody in, but sends the headers of its answer line by line, until `may_answer` is set."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Drips)
        self.may_answer = Event()

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Dripping"]:
        with cls() as server:
            Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield server
            finally:
                server.may_answer.set()
                server.shutdown()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Drips(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        with suppress(OSError):  # the client has given up
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 204 No Content\r\nX-Latchkey-Key: key_slow\r\n")
            for number in range(SECONDS_TO_MEET * 10):
                self.wfile.write(b"X-Drip-%d: x\r\n" % number)
                if server.may_answer.wait(0.1):
                    break
            for name in (b"Project", b"User", b"Scopes"):
                self.wfile.write(b"X-Latchkey-%s: x\r\n" % name)
            self.wfile.write(b"\r\n")


class Crowd(Witness):
    """Passes requests on to the Latchkey at `port` only when as many as `size` wait at the same time."""

    def __init__(self, port: int, size: int) -> None:
        super().__init__(port)
        self._all_here = Barrier(size)

    def answer(self, request: Received) -> tuple[int, dict[str, str], bytes]:
        self._all_here.wait(SECONDS_TO_MEET)
        return super().answer(request)
