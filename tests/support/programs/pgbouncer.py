"""A PgBouncer in front of the tests' PostgreSQL."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connection

from tests.support.environment import lacking
from tests.support.programs.postgres import free_port, unprivileged_user

SECONDS_TO_START = 60

CONFIG = """
[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
ignore_startup_parameters = {ignores}
default_pool_size = 4
server_round_robin = 1
"""


@contextmanager
def pgbouncer(mode: str, ignores: str = "") -> Iterator[int]:
    """Its port. `mode` is "session" or "transaction". It drops the startup parameters that it `ignores`."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin") or lacking("pgbouncer")
    settings, port = connection.settings_dict, free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "users").write_text(f'"{settings["USER"]}" ""\n')
        text = CONFIG.format(server_port=settings["PORT"], port=port, folder=folder, mode=mode, ignores=ignores)
        (folder / "pgbouncer.ini").write_text(text)
        for file in folder.iterdir():
            file.chmod(0o644)  # PgBouncer reads them as another user, and the settings' umask makes new files private
        log = (folder / "log").open("wb")
        command = [program, "-q", str(folder / "pgbouncer.ini")]
        process = subprocess.Popen(command, user=unprivileged_user(), stdout=log, stderr=log)
        try:
            _wait_for(port, f"dbname={settings['NAME']} user={settings['USER']}", folder / "log")
            yield port
        finally:
            process.kill()
            process.wait()
            log.close()


def _wait_for(port: int, who: str, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            psycopg.connect(f"host=127.0.0.1 port={port} {who}").close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
