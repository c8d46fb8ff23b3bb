"""Ends connections whose client has stopped: it sends no more of its body, or reads no more of the answer.

granian waits for clients without a time limit, and a thread of the server waits with it. So code that waits for a
client registers here. A watcher thread looks every few seconds: when a wait has lasted CLIENT_SECONDS, it shuts down
the connections on which nothing has moved in either direction for that long.

granian does not tell which connection a request came on. An idle connection that is closed too is opened again by its
client. This works on Linux, whose kernel tells how long nothing has moved.
"""

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from django.conf import settings

logger = structlog.get_logger(__name__)

# struct tcp_info of linux/tcp.h: tcpi_last_data_sent and tcpi_last_data_recv, in milliseconds, with the field between.
_AGES = struct.Struct("=44xIII")

_since: dict[object, tuple[int, float]] = {}  # each wait: the port of its client's connection, and when it began
_lock = threading.Lock()
_watcher: threading.Thread | None = None


@contextmanager
def waiting_for_client(environ: Mapping[str, Any]) -> Iterator[None]:
    """A context in which the thread waits for the client of this request (by its WSGI environment), for CLIENT_SECONDS
    at most.
    """
    me = object()
    _since[me] = int(environ.get("SERVER_PORT") or 0), time.monotonic()
    _start_watcher()
    try:
        yield
    finally:
        del _since[me]


def _start_watcher() -> None:
    global _watcher
    with _lock:
        if _watcher is None:
            _watcher = threading.Thread(target=_watch, name="end_stalled", daemon=True)
            # A process that cannot start another thread tries again at the next request.
            try:
                _watcher.start()
            except RuntimeError:
                _watcher = None


def _watch() -> None:
    while True:
        time.sleep(min(5.0, settings.CLIENT_SECONDS / 4))
        longest = time.monotonic() - settings.CLIENT_SECONDS
        ports = {port for port, since in list(_since.values()) if since < longest}
        ended = sum(end_stalled(port) for port in ports)
        if ended:
            logger.warning("stalled_connections_ended", connections=ended)


def end_stalled(port: int) -> int:
    """Shuts down this process's connections to `port` that have stalled, and returns how many."""
    ended = 0
    with suppress(OSError):
        for entry in os.scandir("/proc/self/fd"):
            # A descriptor may be closed at any moment.
            with suppress(OSError):
                if os.readlink(entry.path).startswith("socket:"):
                    ended += _end_if_stalled(int(entry.name), port)
    return ended


def _end_if_stalled(descriptor: int, port: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as found:
        if found.type != socket.SOCK_STREAM or found.getsockname()[1:2] != (port,):
            return False
        sent, _, received = _AGES.unpack(found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _AGES.size))
        if min(sent, received) < settings.CLIENT_SECONDS * 1000:
            return False
        # The listening socket has no peer: this raises for it.
        found.getpeername()
        # Closing the socket must not wait until the client has read the rest.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        found.shutdown(socket.SHUT_RDWR)
        return True


os.register_at_fork(after_in_child=lambda: globals().update(_watcher=None, _lock=threading.Lock()))
