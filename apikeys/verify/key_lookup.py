"""The one query of the check: its columns, and how it is asked. No ORM objects, and nothing cached."""

import functools
import hashlib
import time
from collections.abc import Sequence
from datetime import UTC
from typing import Annotated, Any, NamedTuple, get_type_hints

import psycopg
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import LockNotAvailable, QueryCanceled

from accounts.models import User
from apikeys.bounds.asked import FULL
from apikeys.models import ApiKey
from apikeys.standing import Facts
from apikeys.verify import prepared_lookup
from common import database_deadline
from projects.models import Project


class Identity(NamedTuple):
    """Who the request is from: the key, its project and the user who is responsible for the key. Each field is declared
    with its column.
    """

    key_pk: Annotated[int, "k.id"]
    key_id: Annotated[str, "k.public_id"]
    key_name: Annotated[str, "k.name"]
    project_pk: Annotated[int, "p.id"]
    project_id: Annotated[str, "p.public_id"]
    project_name: Annotated[str, "p.name"]
    user_pk: Annotated[int, "u.id"]
    user_id: Annotated[str, "u.public_id"]
    user_email: Annotated[str, "u.email"]
    # Seconds since 1970, or None if the key never ends; one of the facts below.
    key_expires_at: float | None = None
    # What the key may do: names of scopes, separated by spaces; `*` for full access, `read` for read only.
    scopes: str = FULL


# The facts that the standing follows from, each with its column.
_FACTS = {
    "state": "k.state",
    "pause_reason": "k.pause_reason",
    "responsible_is_active": "u.is_active",
    "resumes_at": "k.resumes_at",
    "expires_at": "k.expires_at",
}
# The columns of the check are declared above and nowhere else: the SELECT and the tuples follow.
_OF_IDENTITY = [
    (hint.__metadata__[0], hint.__origin__)
    for hint in get_type_hints(Identity, include_extras=True).values()
    if hasattr(hint, "__metadata__")
]
_COLUMNS: list[tuple[str, Any]] = [
    *_OF_IDENTITY,
    *((_FACTS[fact], kind) for fact, kind in get_type_hints(Facts).items()),
    ("k.restrictions", str | None),
    ("p.limits", str | None),
    ("p.deleted_at IS NOT NULL", bool),
]
_FIRST_FACT = len(_OF_IDENTITY)
_AFTER_FACTS = _FIRST_FACT + len(Facts._fields)
_INSTANT, _JSON = float | None, str | None


def _lookup(**kinds: str) -> str:
    """The SELECT; `instant` and `json` are the SQL of such a column, with its name in place of {}."""
    of_kind = {_INSTANT: kinds["instant"], _JSON: kinds["json"]}
    columns = ", ".join(of_kind.get(kind, "{}").format(sql) for sql, kind in _COLUMNS)
    return f"""
SELECT {columns}
FROM {ApiKey._meta.db_table} k
JOIN {Project._meta.db_table} p ON p.id = k.project_id
JOIN {User._meta.db_table} u ON u.id = k.created_by_id
WHERE k.digest IN ({{placeholders}})
"""  # noqa: S608  the names come from the models and the declarations


_LOOKUP = {
    "postgresql": _lookup(instant="extract(epoch FROM {})::float8", json="{}::text"),
    "sqlite": _lookup(instant="{}", json="{}"),
}

Row = Sequence[Any]

# SQLite's instants come as datetimes without a time zone. They are in UTC.
_INSTANTS = [place for place, (_, kind) in enumerate(_COLUMNS) if kind == _INSTANT]


class Found(NamedTuple):
    """What the query found. Restrictions, and the limits of the project, are JSON."""

    identity: Identity
    facts: Facts
    restrictions: str | None
    project_limits: str | None
    project_is_deleted: bool


def _found(row: Row) -> Found:
    facts = Facts._make(row[_FIRST_FACT:_AFTER_FACTS])
    identity = Identity._make((*row[:_FIRST_FACT], facts.expires_at, FULL))
    return Found._make((identity, facts, *row[_AFTER_FACTS:]))


def look_up(digests: list[bytes]) -> Found | None:
    """The key with one of these digests; None if there is none. Raises Django's database errors."""
    row = _look_up(digests)
    return None if row is None else _found(row)


def _look_up(digests: list[bytes]) -> Row | None:
    """Asks over the thread's own Django connection, whether or not Django handles the request.

    Raises Django's database errors.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "postgresql":
        return _fetch(database, digests)
    # Django ends old connections only between its own requests, and after a failover the old server may live on.
    if database.close_at is not None and time.monotonic() >= database.close_at and not database.in_atomic_block:
        database.close()
    is_used = database.connection is not None
    try:
        return _fetch_prepared(database, digests)
    except Error as error:
        # Every connection is dead after a restart of the database, and a prepared statement may be invalid after a
        # migration. Asking twice is safe, except after a wait that took too long.
        database.close()
        took_long = isinstance(error.__cause__, database_deadline.NoAnswer | QueryCanceled | LockNotAvailable)
        if took_long or not is_used:
            raise
        return _fetch_prepared(database, digests)


def _fetch_prepared(database: BaseDatabaseWrapper, digests: list[bytes]) -> Row | None:
    if database.connection is None:
        database.ensure_connection()
    name, sql = _prepared_sql(len(digests))
    try:
        return prepared_lookup.fetch_row(database.connection, name, sql, digests)
    except psycopg.Error:
        # Django's own context would cost each lookup two calls.
        with database.wrap_database_errors:
            raise


def _fetch(database: BaseDatabaseWrapper, digests: list[bytes]) -> Row | None:
    with database.cursor() as cursor:
        cursor.execute(_LOOKUP["sqlite"].format(placeholders=", ".join(["%s"] * len(digests))), digests)
        row = cursor.fetchone()
    if row is None:
        return None
    columns = list(row)
    for place in _INSTANTS:
        columns[place] = row[place] and row[place].replace(tzinfo=UTC).timestamp()
    return columns


@functools.cache
def _prepared_sql(peppers: int) -> tuple[bytes, bytes]:
    """The statement, and a name that no other release uses: a pooler may keep the statement for several servers."""
    placeholders = ", ".join(f"${number}" for number in range(1, peppers + 1))
    sql = _LOOKUP["postgresql"].format(placeholders=placeholders).encode()
    return f"latchkey_{hashlib.sha256(sql).hexdigest()[:16]}".encode(), sql
