"""The product as users run it: `manage.py serve` as a process."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.message import Message
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import ClassVar, NamedTuple

from django.db import connection
from django.test import Client

from tests.support.environment import DATA_DIR, ON_SQLITE, REPOSITORY
from tests.support.programs import processes
from tests.support.programs.postgres import free_port

# Upper bounds for failures, far above the time that a busy machine needs.
SECONDS_TO_START = 120
SECONDS_TO_STOP = 60
SECONDS_TO_ANSWER = 60


def database_url() -> str:
    """The address of the database that the tests use."""
    settings = connection.settings_dict
    if ON_SQLITE:
        return f"sqlite:///{settings['NAME']}"
    return f"postgresql://{settings['USER']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


class Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


def session_headers(client: Client) -> dict[str, str]:
    """Headers that make a request look like one of the signed-in client's script: its session and a CSRF token."""
    token = "t" * 32
    return {
        "Accept": "application/json",
        "Cookie": f"sessionid={client.cookies['sessionid'].value}; csrftoken={token}",
        "X-CSRFToken": token,
    }


class Server:
    """`url` has no slash at the end. `only` serves only the "pages" or only the "check". Environment variables may be
    given; all others are those of the tests.

    A server has a minute for its database (tests/support/programs/patient.py), unless a test is about the time that the
    product gives it.
    """

    running: ClassVar[list["Server"]] = []

    def __init__(
        self, *, workers: int = 1, check_workers: int = 1, is_patient: bool = True, only: str = "", **environment: str
    ) -> None:
        self.only = only
        self._program = ["-m", "tests.support.programs.patient", "manage"] if is_patient else ["manage.py"]
        self.port, self.check_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = Path(tempfile.mkstemp(prefix="server-", suffix=".log", dir=DATA_DIR)[1])
        self.environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WORKERS": str(workers),
            "CHECK_PORT": str(self.check_port),
            "CHECK_WORKERS": str(check_workers),
            "USAGE_FLUSH_SECONDS": "0.2",
            "MAIL_RETRY_SECONDS": "1",
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def started(cls, **environment: str) -> Iterator["Server"]:
        # The server must not send emails that a test wrote for another mail server.
        server = cls(**{"MAIL_RETRY_SECONDS": "0", **environment})  # type: ignore[arg-type]
        try:
            server.start()
            yield server
        finally:
            server.stop()

    def command(self) -> list[str]:
        return [sys.executable, *self._program, "serve", *(["--only", self.only] if self.only else [])]

    def start(self) -> None:
        with self.log.open("ab") as log:
            # The server is in its own process session, so that Ctrl+C reaches it only through stop().
            self.process = subprocess.Popen(
                self.command(), cwd=REPOSITORY, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.running.append(self)
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._is_live():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"manage.py serve did not become live. Its log:\n{self.log_text()}")
            time.sleep(0.05)

    def _is_live(self) -> bool:
        try:
            ports = {"pages": self.port, "check": self.check_port}
            asked = [port for name, port in ports.items() if self.only in {"", name}]
            return all(self.request("GET", "/health/live", port=port).status == 200 for port in asked)
        except (OSError, HTTPException):
            return False

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        *,
        port: int | None = None,
    ) -> Answer:
        """Sends one request over a new connection, to the pages' port unless `port` is given. Does not follow
        redirects.
        """
        with closing(HTTPConnection("127.0.0.1", port or self.port, timeout=SECONDS_TO_ANSWER)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def check(self, secret: str) -> Answer:
        """The answer that a gateway gets when it asks about this secret."""
        headers = {"Authorization": f"Bearer {secret}"}
        return self.request("GET", "/api/v1/verify", headers=headers, port=self.check_port)

    def stop(self) -> None:
        if self.process is not None:
            processes.end(self.process, SECONDS_TO_STOP)
            self.process = None
            self.running.remove(self)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")
