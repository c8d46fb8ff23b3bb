"""Reads everything that is stored and searches it for secrets."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.contrib.sessions.models import Session
from django.db import connection

from accounts.sessions.store import data_of
from tests.support.environment import DATA_DIR, ON_SQLITE, postgres

# By design this folder holds secrets. They are no API keys.
SECRET_STORE = DATA_DIR / "secrets"


def dump() -> Iterator[tuple[str, bytes]]:
    """Every table's rows as text, from all schemas of the product. Sessions are also decoded."""
    if ON_SQLITE:
        connection.ensure_connection()
        yield "database", "\n".join(connection.connection.iterdump()).encode()
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
            tables = [name for (name,) in cursor.fetchall()]
            for table in tables:
                with cursor.copy(f'COPY "{table}" TO STDOUT') as copy:
                    yield f"table {table}", b"".join(bytes(block) for block in copy)
    for session in Session.objects.all():
        yield "decoded session", json.dumps(data_of(session)).encode()


def files() -> Iterator[tuple[str, bytes]]:
    """Every file in DATA_DIR, including logs and SQLite's journal, and PostgreSQL's own files: its write-ahead log and
    its log of failed statements.
    """
    folders = [DATA_DIR]
    if not ON_SQLITE:
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        assert postgres.folder is not None
        folders += [postgres.folder / "data", postgres.log]
    for folder in folders:
        for path in folder.rglob("*") if folder.is_dir() else [folder]:
            if (
                path.is_file()
                and not path.is_relative_to(SECRET_STORE)
                and not path.is_relative_to(DATA_DIR / "static")
            ):
                yield str(path), _read(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # PostgreSQL may recycle its files meanwhile
        return b""


def needles(secret: str) -> list[bytes]:
    """The part of a secret that its mask hides: in plain text, in hex, and in base64 at all three alignments."""
    hidden = secret.partition("_")[2][4:-4].encode()
    encoded = [b64encode(b"x" * shift + hidden)[4 if shift else 0 : -4] for shift in range(3)]
    return [hidden, hidden.hex().encode(), hidden.hex().upper().encode(), *encoded]


def found(secrets: Iterable[str], *sources: Iterable[tuple[str, bytes]]) -> list[str]:
    """The places where the secrets occur in everything that is stored, or in other `sources` of (place, content)."""
    searched = [needle for secret in secrets for needle in needles(secret)]
    places = sources or (dump(), files())
    return [place for source in places for place, content in source if any(n in content for n in searched)]
