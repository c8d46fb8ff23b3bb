"""`python -m bench.tools.relay PORT SERVER_PORT MILLISECONDS` makes a server on this machine far away.

It passes on what comes to PORT, and each direction takes MILLISECONDS. What was sent within that time arrives in order.
"""

import socket
import sys
import threading
import time
from contextlib import suppress
from queue import SimpleQueue

# What came, and when it may go on; None at the end of the direction.
Way = SimpleQueue[tuple[float, bytes] | None]


def _take(source: socket.socket, way: Way, seconds: float) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            way.put((time.monotonic() + seconds, data))
    way.put(None)


def _give(way: Way, target: socket.socket) -> None:
    with suppress(OSError):
        while (item := way.get()) is not None:
            due, data = item
            time.sleep(max(0, due - time.monotonic()))
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _connect(near: socket.socket, port: int, seconds: float) -> None:
    far = socket.create_connection(("127.0.0.1", port))
    for source, target in ((near, far), (far, near)):
        source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        way: Way = SimpleQueue()
        threading.Thread(target=_take, args=(source, way, seconds), daemon=True).start()
        threading.Thread(target=_give, args=(way, target), daemon=True).start()


def main(port: int, server_port: int, milliseconds: float) -> None:
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            _connect(listener.accept()[0], server_port, milliseconds / 1000)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
