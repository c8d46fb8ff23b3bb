"""A Latchkey with a PostgreSQL of its own, which a test may stop, freeze and starve."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psycopg

from tests.support.environment import REPOSITORY
from tests.support.programs.postgres import Postgres
from tests.support.programs.processes import children
from tests.support.programs.servers import Server


class People(NamedTuple):
    """The people and things in the database, by the secrets that a program or a browser sends."""

    email: str
    project_id: str
    secrets: list[str]
    paused_secret: str
    session: str


def run_python(database_url: str, *arguments: str, **settings: str) -> str:
    """The output of the command. Raises CalledProcessError; errors go to our own standard error."""
    environment = {**os.environ, "DATABASE_URL": database_url, **settings}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def fill(database_url: str, keys: int) -> People:
    allowed = {"MAX_KEYS_PER_PROJECT": str(keys + 1), "MAX_NEW_KEYS_PER_DAY": str(keys + 1)}
    return People(**json.loads(run_python(database_url, "-m", "tests.faults.fill", str(keys), **allowed)))


class Installation:
    def __init__(self, keys: int = 20) -> None:
        self.postgres = Postgres()
        self.postgres.start()
        # As for an operator: answered changes survive an immediate shutdown.
        self.change("ALTER SYSTEM SET synchronous_commit = on")
        self.change("SELECT pg_reload_conf()")
        self.people = fill(self.postgres.url, keys)
        self.servers: list[Server] = []

    def start_server(self, *, workers: int = 1, is_patient: bool = False, **environment: str) -> Server:
        """With as many workers for the check as for the pages.

        The promises are about the time that the product gives a database. Only other tests have a patient server.
        """
        server = Server(
            workers=workers,
            check_workers=workers,
            is_patient=is_patient,
            **{"DATABASE_URL": self.postgres.url, "HOUSEKEEPING_SECONDS": "1", **environment},
        )
        self.servers.append(server)
        server.start()
        return server

    def stop_servers(self) -> None:
        while self.servers:
            self.servers.pop().stop()

    def remove(self) -> None:
        self.stop_servers()
        self.postgres.remove()

    def ask(self, sql: str, *parameters: object) -> list[tuple]:
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            return connection.execute(sql, parameters).fetchall()

    def change(self, sql: str) -> None:
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(sql)

    def counted(self, name: str) -> int:
        """The number of requests that were counted for the key of that name, with any outcome."""
        [[calls]] = self.ask(
            "SELECT coalesce(sum(u.calls), 0) FROM apikeys_keyuse u JOIN apikeys_apikey k ON k.id = u.key_id "
            "WHERE u.span = 'hour' AND k.name = %s",
            name,
        )
        return int(calls)

    def sessions(self) -> int:
        """The number of connected clients, without the one that asks."""
        [[number]] = self.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return int(number)

    def stop(self) -> None:
        self.postgres.stop("immediate")

    def start(self) -> None:
        if not self.postgres.is_running:
            self.postgres.start()

    @contextmanager
    def frozen(self):
        """A context in which every process of PostgreSQL is stopped, while the kernel keeps its connections alive."""
        postmaster = self.postgres.pid
        self._send(signal.SIGSTOP, postmaster)
        try:
            yield
        finally:
            self._send(signal.SIGCONT, postmaster)

    @staticmethod
    def _send(number: signal.Signals, postmaster: int) -> None:
        os.kill(postmaster, number)
        # Twice, because a process may start while the first ones are counted.
        for child in (*children(postmaster), *children(postmaster)):
            with suppress(ProcessLookupError):
                os.kill(child, number)


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
