"""A limit on uploads and downloads at once in a process, because each holds a thread for as long as its client takes.

A client that goes away, or stalls for CLIENT_SECONDS, gives its thread back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.files import File
from django.http import FileResponse, HttpRequest

from common import outages
from common.answers.envelope import Refused
from common.answers.refusals import UNAVAILABLE
from common.slow_clients.bodies import body_of
from common.slow_clients.slots import Slots, share
from common.slow_clients.stalled import waiting_for_client

_uploads, _downloads = Slots(share()), Slots(share())


def _busy(doing: str) -> Refused:
    outages.explain(f"This process is {doing} as many files as it may at once (THREADS).")
    return Refused(UNAVAILABLE, f"The server is {doing} as many files as it can. Try again in a few seconds.")


@contextmanager
def upload(request: HttpRequest) -> Iterator[None]:
    """A context in which the body may be read. Raises Refused before anything of the body is read."""
    if not _uploads.take():
        raise _busy("receiving")
    try:
        body_of(request).allow()
        yield
    finally:
        # Django leaves the file of an interrupted body to the garbage collector.
        for handler in request.upload_handlers:
            if hasattr(handler, "file"):
                handler.file.close()
        _uploads.give_back()


class Download(FileResponse):
    """Gives its slot back when it is closed: after the last byte, or once the client is gone."""

    # granian takes four pieces at once. Django's own pieces of 4 KiB would wake the thread 6,000 times for a file of 25
    # MiB.
    block_size = 256 * 1024


def download(request: HttpRequest, opened: Callable[[], "File[Any]"], **options: Any) -> FileResponse:
    """Sends the file that `opened` returns. Raises Refused, without calling `opened`, if too many downloads are
    running.
    """
    if not _downloads.take():
        raise _busy("sending")
    try:
        response = Download(opened(), **options)
    except BaseException:
        _downloads.give_back()
        raise
    give_back = _downloads.give_back_with(response)
    if int(response.headers.get("Content-Length", Download.block_size + 1)) <= Download.block_size:
        give_back()  # one piece, for which no thread waits
        return response
    response.streaming_content = _watched(request, response.streaming_content)
    response._resource_closers.append(give_back)  # type: ignore[attr-defined]
    return response


def _watched(request: HttpRequest, parts: Any) -> Iterator[bytes]:
    for part in parts:
        with waiting_for_client(request.META):
            yield part
