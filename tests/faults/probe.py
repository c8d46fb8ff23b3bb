"""A gateway in a process of its own: asks the check on new connections, one after the other, and prints each result.

`python -m tests.faults.probe PORT SECRET SECONDS` prints a JSON list of [status, seconds]. It loads nothing else, so
that it measures only the server.
"""

import json
import socket
import sys
import time

PAUSE_SECONDS = 0.01


def main(port: int, secret: str, seconds: float) -> None:
    fields = f"Host: localhost\r\nConnection: close\r\nAuthorization: Bearer {secret}"
    request = f"GET /api/v1/verify HTTP/1.1\r\n{fields}\r\n\r\n"
    answers = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(request.encode())
            first = connection.makefile("rb").readline()
        answers.append([int(first.split()[1]) if first else 0, time.monotonic() - began])
        time.sleep(PAUSE_SECONDS)
    print(json.dumps(answers))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
