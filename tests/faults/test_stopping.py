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


def stopped_within(server: Server, *signals: signal.Signals) -> float:
    """Sends the signals to the main process, and the later ones to its workers too. Returns how long it lived on."""
    assert server.process is not None
    began = time.monotonic()
    os.kill(server.process.pid, signals[0])
    for number in signals[1:]:
        time.sleep(0.3)
        os.killpg(server.process.pid, number)
    server.process.wait(60)
    return time.monotonic() - began


def until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not check() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert check()


def slow_upload(server: Server, secret: str, begun: threading.Semaphore, size: int = 2_000_000) -> int:
    """Sends a file in pieces for SECONDS_OF_REQUESTS, and returns the status. It reports its start after the first
    piece.
    """
    start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="slow.bin"\r\n\r\n'
    body = start + b"x" * size + b"\r\n--b--\r\n"
    head = (
        f"POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode())
        for piece in range(10):
            time.sleep(SECONDS_OF_REQUESTS / 10)
            connection.sendall(body[piece * len(body) // 10 : (piece + 1) * len(body) // 10])
            if not piece:
                begun.release()
        try:
            first = connection.makefile("rb").readline()
        except ConnectionError:
            return 0
        return int(first.split(b" ")[1]) if first else 0


def lists_of_files_waiting(installation) -> int:
    """How many requests wait for a lock to list files. On a slow machine uploads wait too, while they add sizes up."""
    [[number]] = installation.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND query LIKE 'SELECT%%' AND query NOT LIKE '%%SUM(%%'"
    )
    return int(number)


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGTERM], marks=pytest.mark.faults, id="once"),
        pytest.param([signal.SIGTERM, signal.SIGINT, signal.SIGTERM], id="again-and-again"),
    ],
)
def test_requests_at_hand_are_finished_and_their_calls_counted(installation, signals):
    """T40; the counts' interval is never reached, so that what is written is written at the end."""
    server = installation.start_server(workers=WORKERS, THREADS="16", USAGE_FLUSH_SECONDS="600")
    caller = Caller(server, installation.people)
    before = installation.counted("Key 2")
    secret = installation.people.secrets[2]
    at_once([lambda: caller.check(secret)] * 50)
    with (
        ThreadPoolExecutor(20) as pool,
        psycopg.connect(installation.postgres.url) as other,
        loading([lambda: caller.check(secret)] * 6, pause=0.01) as calls,
    ):
        begun = threading.Semaphore(0)
        uploads = [pool.submit(slow_upload, server, secret, begun) for _ in range(4)]
        assert all(begun.acquire(timeout=60) for _ in uploads)
        until(lambda: len(calls) > 50)
        other.execute("LOCK TABLE projects_file IN ACCESS EXCLUSIVE MODE")
        queries = [pool.submit(caller.files) for _ in range(4)]
        until(lambda: lists_of_files_waiting(installation) == len(queries))
        unlock = threading.Timer(1, other.rollback)
        unlock.start()
        seconds = stopped_within(server, *signals)
        unlock.join()
        ended_at = time.monotonic()
    code = server.process.returncode
    slow = [upload.result() for upload in uploads] + [query.result().status for query in queries]
    broken = [status for status in slow if status not in {200, 201}]
    passed = sum(call.status == 204 for call in calls) + 50
    assert {call.status for call in calls} <= {204, 0}
    assert all(call.status == 0 for call in calls if call.began > ended_at)
    assert passed > 100
    lost = passed - (installation.counted("Key 2") - before)
    kind = "SIGTERM" if len(signals) == 1 else "SIGTERM, Ctrl+C, SIGTERM"
    measure("T40", f"{kind}: slow uploads and queries that were cut, of 8", len(broken), at_most=0)
    measure("T40", f"{kind}: calls lost of those in memory and at hand", max(0, lost), at_most=0)
    measure("T40", f"{kind}: exit code", code, at_most=0)
    measure("T40", f"{kind}: end after requests of 2.5 s", seconds, at_most=25, unit="s")


@pytest.mark.faults
def test_new_connections_are_refused_while_requests_are_finished(installation):
    """T40"""
    server = installation.start_server(workers=WORKERS)
    caller = Caller(server, installation.people)
    with ThreadPoolExecutor(1) as pool:
        begun = threading.Semaphore(0)
        upload = pool.submit(slow_upload, server, installation.people.secrets[0], begun)
        assert begun.acquire(timeout=60)
        os.kill(server.process.pid, signal.SIGTERM)
        time.sleep(0.7)
        assert not upload.done()
        late = at_once([caller.live] * 10)
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
