"""`manage.py backup` as a program of its own, with PostgreSQL's programs on its path."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.environment import ON_SQLITE, REPOSITORY, lacking
from tests.support.programs.postgres import find_binaries
from tests.support.programs.servers import database_url

# The keys of the fixture `secrets`, how many of them are paused, and the files of the server's secrets
KEYS = 100
PAUSED = 10
SECRETS = ("secret_key", "key_peppers", "key_ring")
COMMAND = (sys.executable, "manage.py", "backup")


def everything(**environment: str) -> dict[str, str]:
    """The environment of the commands."""
    binaries = find_binaries()
    path = os.environ["PATH"] if binaries is None else f"{binaries}:{os.environ['PATH']}"
    for program in () if ON_SQLITE else ("pg_dump", "pg_restore"):
        if shutil.which(program, path=path) is None:
            lacking(program)
    return {**os.environ, "PATH": path, "DATABASE_URL": database_url(), **environment}


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPOSITORY, env=everything(**environment), capture_output=True, text=True)


def backup(action: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(*COMMAND, action, str(folder), **environment)
