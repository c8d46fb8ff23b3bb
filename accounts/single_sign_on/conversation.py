"""What one request of ours says to the provider and hears, bounded in time and in bytes.

A socket's timeout limits each wait, so a server that sends a byte now and then would never meet it. So each wait gets
only the time that is left. Looking up a host name has no time limit of ours. So each exchange runs in a thread of its
own, and nobody waits for it longer than the time allows. Redirects are not followed.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from socket import socket
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from accounts.single_sign_on.problems import Busy, Unavailable
from common.slow_clients.slots import Slots, WayIn, share

MOST_BYTES = 256 * 1024

# A provider that does not answer holds few threads, so that the other ways in stay open. What it says of itself has a
# slot of its own, so that nobody who sends bogus codes keeps people from setting out.
_for_codes, _for_itself = Slots(share()), Slots(1)
_way = WayIn()
# Who finds no free slot waits for a moment, if single sign-on does not hold too many threads already.
SECONDS_TO_WAIT = 2.0


def _seconds_until(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise Unavailable("too_slow")
    return left


class _Incoming(RawIOBase):
    """Everything that a socket receives, headers too: MOST_BYTES at most, and until `ends_at`."""

    def __init__(self, connected: socket, ends_at: float) -> None:
        self._socket, self._ends_at, self._left = connected, ends_at, MOST_BYTES

    def makefile(self, mode: str) -> BufferedReader:
        """HTTPResponse wants to read from a file, as a socket makes one."""
        return BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(_seconds_until(self._ends_at))
        number = self._socket.recv_into(buffer)
        self._left -= number
        if self._left < 0:
            raise Unavailable("too_long")
        return number


class _Exchange(threading.Thread):
    """One request and its answer. Afterwards there is an `answer` or an `error`."""

    def __init__(self, url: str, body: bytes | None, headers: dict[str, str], ends_at: float) -> None:
        super().__init__(name="single sign-on", daemon=True)
        self._url, self._body, self._headers, self._ends_at = url, body, headers, ends_at
        self.answer: tuple[int, dict[str, Any]] | None = None
        self.error = Unavailable("too_slow")

    def run(self) -> None:
        try:
            self.answer = _read(*self._talk())
        except Unavailable as error:
            self.error = error
        except TimeoutError:
            pass  # the error is that already
        except (OSError, HTTPException, ValueError) as error:
            self.error = Unavailable(type(error).__name__)

    def _talk(self) -> tuple[int, bytes]:
        parts = urlsplit(self._url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(str(parts.hostname), parts.port, timeout=_seconds_until(self._ends_at))
        with closing(connection):
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request("GET" if self._body is None else "POST", target, self._body, self._headers)
            answer = HTTPResponse(_Incoming(connection.sock, self._ends_at))  # type: ignore[arg-type]
            answer.begin()
            # A number of bytes: without one, memory would be taken for as many as the answer's headers announce.
            return answer.status, answer.read(MOST_BYTES)


class Conversation:
    """Everything that one request of ours asks, in OIDC_SECONDS altogether."""

    def __init__(self) -> None:
        self._ends_at = time.monotonic() + settings.OIDC_SECONDS

    def get(self, url: str, **headers: str) -> dict[str, Any]:
        """The JSON object at `url`. Raises Unavailable."""
        status, found = self._exchange(url, None, headers)
        if status != 200:
            raise Unavailable(f"status_{status}")
        return found

    def post(self, url: str, form: dict[str, str], **headers: str) -> tuple[int, dict[str, Any]]:
        """The status and the JSON object that a form is answered with. Raises Unavailable."""
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self._exchange(url, urlencode(form).encode(), headers)

    def _exchange(self, url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        left = _seconds_until(self._ends_at)
        # No compression: the bytes that are counted are the bytes that are read.
        own = {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}
        exchange = _Exchange(url, body, own | headers, self._ends_at)
        exchange.start()
        exchange.join(left)
        if exchange.answer is None:
            raise exchange.error
        return exchange.answer


def _read(status: int, content: bytes) -> tuple[int, dict[str, Any]]:
    if 300 <= status < 400:
        raise Unavailable("redirect")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise Unavailable(f"no_json_status_{status}") from None
    if not isinstance(found, dict):
        raise Unavailable("no_json_object")
    return status, found


@contextmanager
def _slot(slots: Slots) -> Iterator[None]:
    if not _way.take(slots, SECONDS_TO_WAIT):
        raise Busy
    try:
        yield
    finally:
        _way.give_back(slots)


def slot_for_code() -> AbstractContextManager[None]:
    """The right to have a code exchanged. Raises Busy if too many requests wait for the provider."""
    return _slot(_for_codes)


def slot_for_itself() -> AbstractContextManager[None]:
    """The right to ask the provider about itself. One request at a time has it. Raises Busy."""
    return _slot(_for_itself)
