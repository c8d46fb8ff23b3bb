"""What one request of ours says to the provider and hears, bounded in time and in bytes.

A socket's timeout limits each wait, so a server that sends a byte now and then would never meet it. Each exchange runs
in a thread that is left behind when the time is over. Redirects are not followed.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import SHUT_RDWR, socket
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from accounts.single_sign_on.problems import Busy, Unavailable
from common.slow_clients.slots import Slots, share

MOST_BYTES = 256 * 1024

# A provider that does not answer holds at most this share of the threads, so that the other ways in stay open. What it
# says of itself has a slot of its own, so that nobody who sends bogus codes keeps people from setting out.
_for_codes, _for_itself = Slots(share()), Slots(1)
# Who finds no free slot waits for a moment, if not too many wait already.
_waiting = Slots(share())
SECONDS_TO_WAIT = 2.0


class _Exchange(threading.Thread):
    """One request and its answer. Afterwards there is an `answer` or an `error`."""

    def __init__(self, url: str, body: bytes | None, headers: dict[str, str], seconds: float) -> None:
        super().__init__(name="single sign-on", daemon=True)
        self._url, self._body, self._headers, self._seconds = url, body, headers, seconds
        self._socket: socket | None = None
        self.answer: tuple[int, bytes] | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.answer = self._talk()
        except (OSError, HTTPException, ValueError) as error:
            self.error = error

    def _talk(self) -> tuple[int, bytes]:
        parts = urlsplit(self._url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(str(parts.hostname), parts.port, timeout=self._seconds)
        try:
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.connect()
            self._socket = connection.sock
            connection.request("GET" if self._body is None else "POST", target, self._body, self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read(MOST_BYTES + 1)
        finally:
            connection.close()

    def abandon(self) -> None:
        """Ends the connection, and with it the thread."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(SHUT_RDWR)


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
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise Unavailable("too_slow")
        # No compression: the bytes that are counted are the bytes that are read.
        own = {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}
        exchange = _Exchange(url, body, own | headers, left)
        exchange.start()
        exchange.join(left)
        if exchange.is_alive():
            exchange.abandon()
            raise Unavailable("too_slow")
        if exchange.answer is None:
            raise Unavailable(type(exchange.error).__name__)
        return _read(*exchange.answer)


def _read(status: int, content: bytes) -> tuple[int, dict[str, Any]]:
    if 300 <= status < 400:
        raise Unavailable("redirect")
    if len(content) > MOST_BYTES:
        raise Unavailable("too_long")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise Unavailable(f"no_json_status_{status}") from None
    if not isinstance(found, dict):
        raise Unavailable("no_json_object")
    return status, found


@contextmanager
def _slot(slots: Slots) -> Iterator[None]:
    if not slots.take_in_turn(_waiting, SECONDS_TO_WAIT):
        raise Busy
    try:
        yield
    finally:
        slots.give_back()


def slot_for_code() -> AbstractContextManager[None]:
    """The right to have a code exchanged. Raises Busy if too many requests wait for the provider."""
    return _slot(_for_codes)


def slot_for_itself() -> AbstractContextManager[None]:
    """The right to ask the provider about itself. One request at a time has it. Raises Busy."""
    return _slot(_for_itself)
