"""The image's health check: `python -m latchkey.config.serving.container_health` exits with 0 if it is ready.

It knows the ports and not the command. If nobody listens at a port, another container serves that group of processes
(`serve --only`): the groups of one container start and end together. It loads only Python's own modules, because Docker
asks every few seconds.
"""

import os
import sys
from http.client import HTTPConnection

SECONDS = 2


def statuses() -> set[int]:
    """What the ports answer that somebody listens at."""
    port = int(os.environ.get("PORT") or 8000)
    check_port = int(os.environ.get("CHECK_PORT") or port + 1)
    return {status for status in map(_ask, (port, check_port)) if status is not None}


def _ask(port: int) -> int | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(statuses() != {200})
