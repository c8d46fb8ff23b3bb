"""Loads on pages and API, and the check meanwhile."""

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPException

from tests.faults.calls import Call, Caller, Timed, loading
from tests.faults.installation import Installation, People
from tests.support.environment import REPOSITORY
from tests.support.programs.servers import Server

CLIENTS = 40
TOMBSTONES = 100_000
FILE_BYTES = 24_000_000
# A file in a form, up to its first byte.
FORM, FILE = (
    "multipart/form-data; boundary=b",
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
)


class Site:
    """A server under load, and its clients. Each form comes from an address of its own."""

    def __init__(self, server: Server, people: People) -> None:
        self.server, self.people = server, people
        self._numbers = itertools.count(1)

    def caller(self) -> Caller:
        number = next(self._numbers)
        return Caller(self.server, self.people, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    def form(self, path: str, **fields: str) -> Call:
        """A request that posts a form. `{}` in a field is a number that no other request has."""

        def post() -> Timed:
            caller = self.caller()
            number = next(self._numbers)
            return caller.post(path, path, session="", **{name: value.format(number) for name, value in fields.items()})

        return post

    def send(self, head: str, body: bytes, port: int) -> socket.socket:
        """Begins a request and does not finish it. The socket's buffer is small, so that the answer waits too."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", port))
        secret = self.people.secrets[0]
        connection.sendall(f"{head}\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n\r\n".encode() + body)
        return connection


@contextmanager
def programs(call: Call) -> Iterator[None]:
    """Clients run on machines of their own. Here they must not take processor time from the server."""

    def elsewhere() -> Timed:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        return call()

    with loading([elsewhere] * CLIENTS, pause=0.01):
        yield


@contextmanager
def held_open(begin: Callable[[], socket.socket], number: int) -> Iterator[None]:
    with ExitStack() as connections:
        for _ in range(number):
            with suppress(OSError):
                connections.enter_context(begin())
        yield


def sign_ins(site: Site):
    return programs(site.form("/accounts/login/", login="nobody{}@example.com", password="wrong horse battery"))


def sign_ups(site: Site):
    return programs(site.form("/accounts/signup/", email="new{}@example.com", password1="correct horse battery"))


def resets(site: Site):
    return programs(site.form("/accounts/password/reset/", email="lost{}@example.com"))


def usage_pages(site: Site):
    page = f"/projects/{site.people.project_id}/usage/"
    headers = {"Cookie": f"sessionid={site.people.session}"}

    def call() -> Timed:
        answer = site.server.request("GET", page, headers=headers)
        return Timed("usage", answer.status, 0, 0, b"")

    return programs(call)


def stalled_uploads(site: Site):
    head = f"POST /api/v1/files HTTP/1.1\r\nContent-Type: {FORM}\r\nContent-Length: {FILE_BYTES}"
    return held_open(lambda: site.send(head, FILE, site.server.port), CLIENTS)


def stalled_downloads(site: Site):
    headers = {"Authorization": f"Bearer {site.people.secrets[0]}", "Content-Type": FORM}
    stored = site.server.request("POST", "/api/v1/files", FILE + b"x" * FILE_BYTES + b"\r\n--b--\r\n", headers)
    assert stored.status == 201
    head = f"GET /api/v1/files/{json.loads(stored.body)['data']['id']}/content HTTP/1.1"
    return held_open(lambda: site.send(head, b"", site.server.port), CLIENTS)


def idle_connections(site: Site):
    ports = itertools.cycle([site.server.port, site.server.check_port])
    return held_open(lambda: site.send("GET /health/live HTTP/1.1", b"", next(ports)), 3_000)


def rejected_bodies(site: Site):
    ports = itertools.cycle([(site.server.port, "/api/v1/files"), (site.server.check_port, "/api/v1/verify")])

    def call() -> Timed:
        port, path = next(ports)
        with suppress(OSError, HTTPException):
            site.server.request("POST", path, b"x" * 5_000_000, {"Authorization": "Bearer wrong"}, port=port)
        return Timed("rejected", 0, 0, 0, b"")

    return programs(call)


def slow_rejected_bodies(site: Site):
    ports = itertools.cycle([site.server.port, site.server.check_port])
    head = "POST /api/v1/verify HTTP/1.1\r\nContent-Length: 5000000"
    return held_open(lambda: site.send(head, b"slow", next(ports)), CLIENTS)


LOADS = [
    *(sign_ins, sign_ups, resets, usage_pages),
    *(stalled_uploads, stalled_downloads, idle_connections, rejected_bodies, slow_rejected_bodies),
]


def bury(installation: Installation) -> None:
    """Adds many deleted keys to the project, by one statement."""
    installation.change(
        f"""
        INSERT INTO apikeys_apikey (public_id, project_id, created_by_id, name, state, mask, digest, pepper_id,
            ring_key_id, created_at, deleted_at, refused_calls)
        SELECT 'key_' || lpad(n::text, 16, '0'), k.project_id, k.created_by_id, 'Old ' || n, 'deleted', k.mask,
            sha256(n::text::bytea), k.pepper_id, '', now(), now(), 0
        FROM generate_series(1, {TOMBSTONES}) n, (SELECT * FROM apikeys_apikey ORDER BY id LIMIT 1) k
        """  # noqa: S608  a number of our own
    )
    installation.change("ANALYZE")


def probe(site: Site, seconds: float) -> list[tuple[int, float]]:
    """Status and time of checks of a good key, one after the other, for so many seconds."""
    command = [sys.executable, "-m", "tests.faults.probe"]
    arguments = [str(site.server.check_port), site.people.secrets[1], str(seconds)]
    asked = subprocess.run([*command, *arguments], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    return [(status, taken) for status, taken in json.loads(asked.stdout)]
