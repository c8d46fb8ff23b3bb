"""The database's part of a backup: a dump by PostgreSQL's own programs, or a copy of SQLite's file."""

import os
import shutil
import sqlite3
import subprocess  # nosec B404  PostgreSQL's own programs
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from django.core.management.base import CommandError
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from config.environment.variables import given

# Tables whose rows no backup needs: who is signed in, and the counts of limits.
LEFT_OUT = ("django_session", "usersessions_usersession", "cache")


def file_name() -> str:
    return "database.sqlite3" if _is_on_sqlite() else "database.dump"


def save(target: Path) -> None:
    """Raises CommandError."""
    if _is_on_sqlite():
        _copy_sqlite(_sqlite_file(), target)
        return
    left_out = [f"--exclude-table-data=*.{table}" for table in LEFT_OUT]
    if _run("pg_dump", "--format=custom", *left_out, f"--file={target}"):
        raise CommandError("Nothing was saved: pg_dump failed.")


def refuse_missing() -> None:
    """Raises CommandError. Without the server's environment, settings name a database that is not there."""
    if _is_on_sqlite() and not _sqlite_file().exists():
        raise CommandError(f"There is no database {_sqlite_file()}. Run this with the server's environment.")


def restore(source: Path) -> None:
    """Raises CommandError, and changes nothing then."""
    if _is_on_sqlite():
        _place_sqlite(source, _sqlite_file())
        return
    # One transaction: a database that is not empty stays as it is.
    options = ("--exit-on-error", "--single-transaction", "--dbname=service=latchkey")
    if _run("pg_restore", *options, str(source)):
        raise CommandError("Nothing was restored: pg_restore failed. DATABASE_URL must name an empty database.")


def _is_on_sqlite() -> bool:
    return connection.vendor == "sqlite"


def _sqlite_file() -> Path:
    return Path(connection.settings_dict["NAME"])


def _copy_sqlite(database: Path, copy: Path) -> None:
    """The second VACUUM writes the copy anew, so that its free pages do not hold the rows that were deleted."""
    try:
        with closing(sqlite3.connect(database)) as opened:
            opened.execute("VACUUM INTO ?", [str(copy)])
        with closing(sqlite3.connect(copy, isolation_level=None)) as opened:
            opened.execute("PRAGMA secure_delete = ON")
            tables = {name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in tables.intersection(LEFT_OUT):
                opened.execute(f'DELETE FROM "{table}"')  # noqa: S608  # nosec B608  a name from above
            opened.execute("VACUUM")
    except sqlite3.Error as error:
        raise CommandError(f"Nothing was saved: {error}.") from error


def _place_sqlite(source: Path, database: Path) -> None:
    """SQLite would put what a journal of an earlier database holds into the one that comes from the backup."""
    for left in (database, Path(f"{database}-wal"), Path(f"{database}-journal")):
        if left.exists():
            raise CommandError(f"{left} exists. Name another DATABASE_URL or DATA_DIR, or move it away.")
    shutil.copyfile(source, database)


def _run(program: str, *options: str) -> int:
    """The exit code of a program of PostgreSQL. What it says goes to standard error."""
    with _service() as service:
        command = [program, "--no-owner", "--no-privileges", *options]
        environment = {**os.environ, "PGSERVICEFILE": str(service), "PGSERVICE": "latchkey"}
        try:
            # The program is PostgreSQL's own, and the options are ours and the operator's folder.
            return subprocess.run(command, env=environment).returncode  # noqa: S603  # nosec B603
        except FileNotFoundError:
            raise CommandError(f"Install {program} of PostgreSQL's own version or a later one.") from None


@contextmanager
def _service() -> Iterator[Path]:
    """The database's address in a file. Every user of the machine can read a password among a program's arguments."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "service")
        file.write_text("\n".join(["[latchkey]", *_lines(), ""]))
        yield file


def _lines() -> Sequence[str]:
    return [f"{name}={value}" for name, value in conninfo_to_dict(given("DATABASE_URL")).items()]
