"""All servers run alike: granian, WSGI, one worker unless stated otherwise, the product's number of threads, and a core
of their own.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.tools import cores, processes
from tests.support.environment import DATA_DIR, REPOSITORY
from tests.support.programs.postgres import free_port
from tests.support.programs.processes import CHECK, children, end, workers

THREADS = 8
SECONDS_TO_START = 60
SECONDS_TO_STOP = 30

PEERS = "bench.peers.wsgi:application"
LIMIT = "bench.peers.limit:application"
NOTHING = "bench.peers.nothing:application"
CHECK_APPLICATION = "config.check:application"
WITHOUT_CALLERS = "bench.peers.without_callers:application"


class Server:
    """A running server. URLs have no slash at the end. A peer answers everything at one port, including checks."""

    def __init__(self, command: list[str], port: int, environment: dict[str, str], has_core: bool) -> None:
        self.port, self.check_port = port, int(environment.get("CHECK_PORT", port))
        self.url, self.check_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{self.check_port}"
        self.log = Path(tempfile.mkstemp(prefix="bench-", suffix=".log", dir=DATA_DIR)[1])
        with self.log.open("ab") as log:
            # The server is in its own process session, so that Ctrl+C reaches it only through stop().
            self.process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=cores.take_the_servers if has_core else cores.take_all,
            )

    def wait(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not (processes.listens(self.port) and processes.listens(self.check_port)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"A server did not start. Its log:\n{self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        end(self.process, SECONDS_TO_STOP)

    @property
    def worker(self) -> int:
        """The process that answers at `check_port`. Of several, the largest one."""
        is_product = self.check_port != self.port
        found = workers(self.process.pid, CHECK) if is_product else children(self.process.pid)
        return max(found or [self.process.pid], key=processes.resident_bytes)


@contextmanager
def running(command: list[str], port: int, environment: dict[str, str], *, has_core: bool = True) -> Iterator[Server]:
    """With `has_core`, the server has a core of its own."""
    server = Server(command, port, environment, has_core)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@contextmanager
def product(
    database_url: str,
    *,
    lease: bool = False,
    check_workers: int = 1,
    threads: int = THREADS,
    has_core: bool = True,
    **environment: str,
) -> Iterator[Server]:
    """Latchkey as its users run it: `manage.py serve`, with counting of use."""
    port = free_port()
    environment |= {
        "DATABASE_URL": database_url,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WORKERS": "1",
        "CHECK_PORT": str(free_port()),
        "CHECK_WORKERS": str(check_workers),
        "THREADS": str(threads),
        "USAGE_FLUSH_SECONDS": "1",
        "VERDICT_LEASE": "on" if lease else "off",
    }
    with running([sys.executable, "manage.py", "serve"], port, environment, has_core=has_core) as server:
        yield server


@contextmanager
def peer(
    application: str, database_url: str, settings: str = "bench.peers.settings", **environment: str
) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--workers", "1"]
    command += ["--blocking-threads", str(THREADS), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--log-level", "error", application]
    environment |= {"DATABASE_URL": database_url, "PEERS_SETTINGS": settings}
    with running(command, port, environment) as server:
        yield server


def check_alone(application: str, database_url: str) -> AbstractContextManager[Server]:
    """The check as one of `manage.py serve`'s workers runs it, or a variant of it."""
    return peer(application, database_url, DJANGO_SETTINGS_MODULE="config.check_settings", USAGE_FLUSH_SECONDS="1")
