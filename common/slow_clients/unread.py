"""Reads the rest of a request's body after its answer was sent, and throws it away.

granian closes a connection whose body was not read. The bytes that the client still sends then destroy the answer on
its way (RFC 9112, 9.6): a program that uploads 5 MB with a wrong key sees "connection reset" instead of its 401.

A thread has to read, and granian's reads have no time limit. Another thread cannot take over either, because granian
holds Python's lock until the client goes on. So few bodies are read at once, each up to a limit, and a client that
stops is cut off (stalled.py). All other connections are closed, as granian does.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from common.slow_clients.bodies import reading
from common.slow_clients.stalled import waiting_for_client

# Larger than the largest upload, unless an operator raises MAX_FILE_SIZE.
MOST_BYTES = 32 * 1024 * 1024
MOST_SECONDS = 5
_PIECE = 16 * 1024

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class _Counted:
    """The body that WSGI gives, with a count of the bytes read; `most` is the largest count there can be."""

    def __init__(self, stream: Any, most: int) -> None:
        self._stream, self._most = stream, most
        self.size, self.is_over = 0, False

    def read(self, size: int = -1) -> bytes:
        read: bytes = self._stream.read(size)
        self.size += len(read)
        # A shorter piece than asked for is the end of the body.
        self.is_over = self.is_over or size < 0 or len(read) < size
        return read

    # Django needs this method. None of our views reads lines.
    readline = read

    def drop_piece(self) -> None:
        """Reads the next piece, but never beyond the end: a WSGI server may object to that."""
        self.read(min(_PIECE, self._most - self.size))
        self.is_over = self.is_over or self.size >= self._most


class _Answer:
    """The parts of an answer. granian asks for one more after the last part, and keeps the connection meanwhile."""

    def __init__(self, parts: Iterable[bytes], environ: dict[str, Any], body: _Counted) -> None:
        self._parts, self._environ, self._body = parts, environ, body

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        if reading.take():
            try:
                self._read_rest()
            finally:
                reading.give_back()

    def _read_rest(self) -> None:
        body, end = self._body, time.monotonic() + MOST_SECONDS
        with waiting_for_client(self._environ):
            while not body.is_over and time.monotonic() < end:
                body.drop_piece()

    def close(self) -> None:
        if hasattr(self._parts, "close"):
            self._parts.close()


def read_to_the_end(application: Application) -> Application:
    """Wraps the WSGI application `application`, which may leave bodies unread."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or "0"
        if length == "0" and "HTTP_TRANSFER_ENCODING" not in environ:
            return application(environ, start_response)
        most = _most_bytes(environ, length)
        body = environ["wsgi.input"] = _Counted(environ["wsgi.input"], most)
        answered = application(environ, start_response)
        return _Answer(answered, environ, body) if not body.is_over and body.size < most else answered

    return answer


def _most_bytes(environ: dict[str, Any], length: str) -> int:
    """How many bytes of the body are read in all; 0 if reading is not worth it."""
    # A client that sent `Expect: 100-continue` waits for the answer before it sends its body.
    if "HTTP_EXPECT" in environ:
        return 0
    if "HTTP_TRANSFER_ENCODING" in environ:
        return MOST_BYTES
    # The digits are counted first, because Python refuses to parse a number of thousands of digits.
    is_number = len(length) < 18 and length.isdecimal()
    return int(length) if is_number and int(length) <= MOST_BYTES else 0
