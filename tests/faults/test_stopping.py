"""SIGTERM: running requests are finished, new ones refused, and counts in memory are written."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.faults.calls import Caller, at_once, loading
from tests.faults.figures import measure
from tests.support.programs.servers import Server

pytestmark = pytest.mark.nodb

WORKERS = 3
# The time of the requests themselves; the server's own limit is DRAIN_SECONDS.
SECONDS_OF_REQUESTS = 2.5
PIECES = 10
SMALL_PIECE = 1000


def send(server: Server, *signals: signal.Signals) -> None:
    """Sends the signals to the main process, and the later ones to its workers too."""
    assert server.process is not None
    os.kill(server.process.pid, signals[0])
    for number in signals[1:]:
        time.sleep(0.3)
        os.killpg(server.process.pid, number)


def stopped_within(server: Server, *signals: signal.Signals) -> float:
    """Sends the signals, and returns how long the server lived on."""
    assert server.process is not None
    began = time.monotonic()
    send(server, *signals)
    server.process.wait(60)
    return time.monotonic() - began


def until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not check() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert check()


def slow_upload(server: Server, secret: str, begun: threading.Semaphore, ending: threading.Event) -> int:
    """Sends a file in small pieces until `ending`, and then the rest for SECONDS_OF_REQUESTS.

    Returns the status, or 0 without an answer. It reports its start when the server reads the file.
    """
    start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="slow.bin"\r\n\r\n'
    body = start + b"x" * 2_000_000 + b"\r\n--b--\r\n"
    head = (
        f"POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\nConnection: close\r\n"
        f"Expect: 100-continue\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head.encode())
        answer = connection.makefile("rb")
        assert [answer.readline(), answer.readline()] == [b"HTTP/1.1 100 Continue\r\n", b"\r\n"]
        begun.release()
        sent = 0
        while not ending.wait(SECONDS_OF_REQUESTS / PIECES):
            connection.sendall(body[sent : sent + SMALL_PIECE])
            sent += SMALL_PIECE
        rest = body[sent:]
        for piece in range(PIECES):
            time.sleep(SECONDS_OF_REQUESTS / PIECES)
            connection.sendall(rest[piece * len(rest) // PIECES : (piece + 1) * len(rest) // PIECES])
        try:
            first = answer.readline()
        except ConnectionError:
            return 0
        return int(first.split(b" ")[1]) if first else 0


def lists_of_files_waiting(installation) -> int:
    """How many requests wait for a lock to list files. Uploads may wait too, while they add sizes up."""
    [[number]] = installation.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND query LIKE 'SELECT%%' AND query NOT LIKE '%%SUM(%%'"
    )
    return int(number)


def refuses_connections(server: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=60).close()
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGTERM], marks=pytest.mark.faults, id="once"),
        pytest.param([signal.SIGTERM, signal.SIGINT, signal.SIGTERM], id="again-and-again"),
    ],
)
def test_requests_at_hand_are_finished_and_their_calls_counted(installation, signals):
    """T40; the counts' interval is never reached, so that what is written is written at the end.

    The test ends the requests when the server takes no more of them. How long the server waits for a lock is not asked.
    """
    server = installation.start_server(workers=WORKERS, is_patient=True, THREADS="16", USAGE_FLUSH_SECONDS="600")
    caller = Caller(server, installation.people)
    before = installation.counted("Key 2")
    secret = installation.people.secrets[2]
    at_once([lambda: caller.check(secret)] * 50)
    begun, ending = threading.Semaphore(0), threading.Event()
    with (
        ThreadPoolExecutor(20) as pool,
        psycopg.connect(installation.postgres.url) as other,
        loading([lambda: caller.check(secret)] * 6, pause=0.01) as calls,
    ):
        uploads = [pool.submit(slow_upload, server, secret, begun, ending) for _ in range(4)]
        assert all(begun.acquire(timeout=60) for _ in uploads)
        until(lambda: len(calls) > 50)
        other.execute("LOCK TABLE projects_file IN ACCESS EXCLUSIVE MODE")
        queries = [pool.submit(caller.files) for _ in range(4)]
        until(lambda: lists_of_files_waiting(installation) == len(queries))
        send(server, *signals)
        until(lambda: refuses_connections(server))
        assert not any(request.done() for request in uploads + queries)
        stopping_at = time.monotonic()
        ending.set()
        other.rollback()
        server.process.wait(60)
        ended_at = time.monotonic()
    code = server.process.returncode
    slow = [upload.result() for upload in uploads] + [query.result().status for query in queries]
    passed = sum(call.status == 204 for call in calls) + 50
    assert {call.status for call in calls} <= {204, 0}
    assert all(call.status == 0 for call in calls if call.began > ended_at)
    assert passed > 100
    lost = passed - (installation.counted("Key 2") - before)
    kind = "SIGTERM" if len(signals) == 1 else "SIGTERM, Ctrl+C, SIGTERM"
    measure("T40", f"{kind}: slow uploads and queries that were cut, of 8", slow.count(0), at_most=0)
    assert slow == [201] * 4 + [200] * 4
    measure("T40", f"{kind}: calls lost of those in memory and at hand", max(0, lost), at_most=0)
    measure("T40", f"{kind}: exit code", code, at_most=0)
    measure("T40", f"{kind}: end after requests of 2.5 s", ended_at - stopping_at, at_most=25, unit="s")


@pytest.mark.faults
def test_new_connections_are_refused_while_requests_are_finished(installation):
    """T40"""
    server = installation.start_server(workers=WORKERS)
    caller = Caller(server, installation.people)
    with ThreadPoolExecutor(1) as pool:
        begun, ending = threading.Semaphore(0), threading.Event()
        upload = pool.submit(slow_upload, server, installation.people.secrets[0], begun, ending)
        assert begun.acquire(timeout=60)
        send(server, signal.SIGTERM)
        until(lambda: refuses_connections(server))
        late = at_once([caller.live] * 10)
        assert not upload.done()
        ending.set()
        assert upload.result() == 201
    measure("T40", "SIGTERM: new requests that were let in", sum(call.status != 0 for call in late), at_most=0)
    server.process.wait(30)
    assert server.process.returncode == 0


def test_it_ends_though_the_database_is_frozen(installation):
    """T40, T36: what cannot be written is said, and kept nobody waiting."""
    server = installation.start_server(workers=WORKERS, USAGE_FLUSH_SECONDS="600")
    caller = Caller(server, installation.people)
    assert {call.status for call in at_once([caller.check] * 30)} == {204}
    with installation.frozen(), ThreadPoolExecutor(12) as pool:
        hanging = [pool.submit(caller.check) for _ in range(12)]
        time.sleep(0.2)
        seconds = stopped_within(server, signal.SIGTERM)
        assert {call.result().status for call in hanging} <= {503, 0}
    measure("T40", "SIGTERM while frozen: until the end", seconds, at_most=20, unit="s")
    measure("T40", "SIGTERM while frozen: exit code", server.process.returncode, at_most=0)
    assert "usage_not_written" in server.log_text()
