"""A body that does not arrive holds a thread. So few threads wait for bodies, and none waits forever.

An upload has a slot of its own. All other bodies are small and arrive with their headers or right after them. A quarter
of the threads read them, and a body that finds no free slot for half a second is refused.
"""

import weakref
from collections.abc import Callable
from typing import Any

from django.core.handlers.wsgi import LimitedStream
from django.http import HttpRequest, HttpResponse

from common.slow_clients.slots import Slots, share
from common.slow_clients.stalled import waiting_for_client

SECONDS_TO_WAIT = 0.5

# unread.py takes slots too, in order to read a body and throw it away.
reading = Slots(share())


class BodyNotRead(OSError):
    """The body did not arrive. Django makes an UnreadablePostError of it."""


class TooManyBodies(BodyNotRead):
    """Every slot waits for a body already."""


class Body:
    """The body of a request. `failure` tells why it was not read."""

    def __init__(self, request: HttpRequest, read: Callable[[int], bytes]) -> None:
        # Weak, because Python does not free a request that refers to itself when the request ends.
        self._request, self._read = weakref.proxy(request), read
        self._has_slot = False
        self.failure: BodyNotRead | None = None

    def allow(self) -> None:
        """Lets an upload's body be read: an upload has a slot of its own."""
        self._has_slot = True

    def read(self, size: int) -> bytes:
        """`size` bytes, or less at the body's end. Raises BodyNotRead if the client stops before."""
        if self.failure is None:
            try:
                return self._read_in_slot(size)
            except BodyNotRead as error:
                # The traceback would keep the request, and the file of an interrupted upload, alive.
                self.failure = type(error)()
        raise type(self.failure)()

    # LimitedStream needs this method. None of our views reads lines.
    readline = read

    def _read_in_slot(self, size: int) -> bytes:
        if self._has_slot:
            return self._read_all(size)
        if not reading.take(SECONDS_TO_WAIT):
            raise TooManyBodies
        try:
            return self._read_all(size)
        finally:
            reading.give_back()

    def _read_all(self, size: int) -> bytes:
        with waiting_for_client(self._request.META):
            read = self._read(size)
        # granian returns what has arrived when the client is gone. Half a form must not be taken for a whole one.
        if len(read) < size:
            raise BodyNotRead
        return read


def body_of(request: HttpRequest) -> Body:
    return request.body_to_come  # type: ignore[attr-defined,no-any-return]


def read_by_few(refuse: Callable[[HttpRequest, BodyNotRead], HttpResponse]) -> Any:
    """The middleware that puts a Body into each request, and answers with `refuse` if the body did not arrive."""

    def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
        def answer(request: Any) -> HttpResponse:
            stream = request._stream
            body = request.body_to_come = Body(request, stream._read)
            request._stream = LimitedStream(body, stream.limit)  # type: ignore[arg-type]
            response = get_response(request)
            return refuse(request, body.failure) if body.failure else response

        return answer

    return middleware
