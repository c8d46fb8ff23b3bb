"""Header in, verdict out: the one rule that decides for the API and for `/verify`.

One indexed query, no ORM objects, nothing cached: a pause or a delete holds for every check that starts
after its answer. This module never writes to the database.
"""

import re
import time
from functools import cache
from typing import Any, NamedTuple

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DatabaseError, InterfaceError, OperationalError
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from apikeys import secret_format, usage, vault
from apikeys.models import ApiKey, KeyState, Outcome
from projects.models import Project

# RFC 6750, 2.1: the scheme, in any case (RFC 9110, 11.1), a space and the token; a token of ours is alphanumeric.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([0-9A-Za-z_]{1,64})")

_LOOKUP = f"""
SELECT k.id, k.state, k.public_id, k.name,
       p.id, p.public_id, p.name, p.deleted_at IS NOT NULL,
       u.id, u.public_id, u.email, u.is_active
FROM {ApiKey._meta.db_table} k
JOIN {Project._meta.db_table} p ON p.id = k.project_id
JOIN {User._meta.db_table} u ON u.id = k.created_by_id
WHERE k.digest IN ({{placeholders}})
"""  # noqa: S608  the names come from the models

Row = tuple[Any, ...]

# Plain strings, for an enum's members hash and compare slowly. A state that is not known lets nobody in.
_OUTCOMES: dict[str, str] = {
    KeyState.ACTIVE.value: Outcome.OK.value,
    KeyState.PAUSED.value: Outcome.PAUSED.value,
    KeyState.DELETED.value: Outcome.DELETED.value,
}
_CODES = {"paused": "key_paused", "deleted": "key_deleted", "forbidden": "forbidden"}


class Identity(NamedTuple):
    """Whose request it is: the key, its project and the user who created the key."""

    key_pk: int
    key_id: str
    key_name: str
    project_pk: int
    project_id: str
    project_name: str
    user_pk: int
    user_id: str
    user_email: str


class Verdict(NamedTuple):
    """`identity` if the request may pass, else the `code` that refuses it (the table in docs/api.md)."""

    identity: Identity | None
    code: str | None = None


def _refused(code: str) -> Verdict:
    return Verdict(None, code)


@sensitive_variables()
def verify(authorization: str | None, address: str | None = None) -> Verdict:
    """Decides on the value of an Authorization header, None if the request has none.

    The call is counted with its outcome, and with `address` as the key's last. Costs one query, none for what
    cannot be a secret. A database that cannot be asked is the refusal `unavailable`, never an exception.
    """
    if authorization is None:
        return _unmatched("key_missing")
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None or not secret_format.is_well_formed(bearer[1], settings.KEY_PREFIX):
        return _unmatched("key_malformed")
    digests = vault.digests(bearer[1])
    if not digests:
        return _refused("unavailable")
    try:
        row = _look_up(digests)
    except DatabaseError:
        return _refused("unavailable")
    return _judge(row, address) if row else _unmatched("key_unknown")


def _unmatched(code: str) -> Verdict:
    usage.record_unmatched(time.time())
    return _refused(code)


def _look_up(digests: list[bytes]) -> Row | None:
    """Asks over the thread's own Django connection, whether or not Django handles the request.

    A connection that turns out to be dead, as all are after the database's restart, is replaced once.
    Raises Django's database errors.
    """
    database = connections[DEFAULT_DB_ALIAS]
    is_used = database.connection is not None
    fetch = _fetch_prepared if database.vendor == "postgresql" else _fetch
    try:
        return fetch(database, digests)
    except (OperationalError, InterfaceError):
        if not is_used or not _is_dead(database):
            raise
        database.close()
        return fetch(database, digests)


def _is_dead(database: BaseDatabaseWrapper) -> bool:
    return database.connection is None or bool(getattr(database.connection, "closed", False))


def _fetch_prepared(database: BaseDatabaseWrapper, digests: list[bytes]) -> Row | None:
    """Django's cursor would take longer than the lookup itself; a prepared, binary statement halves the rest."""
    database.ensure_connection()
    with database.wrap_database_errors:
        cursor = psycopg.Cursor(database.connection)
        cursor.execute(_sql(len(digests)), digests, prepare=True, binary=True)
        row: Row | None = cursor.fetchone()
        return row


def _fetch(database: BaseDatabaseWrapper, digests: list[bytes]) -> Row | None:
    with database.cursor() as cursor:
        cursor.execute(_sql(len(digests)), digests)
        row: Row | None = cursor.fetchone()
        return row


@cache
def _sql(peppers: int) -> str:
    return _LOOKUP.format(placeholders=", ".join(["%s"] * peppers))


def _judge(row: Row, address: str | None) -> Verdict:
    (key_pk, state, key_id, key_name, project_pk, project_id, project_name, project_is_deleted, *creator) = row
    user_pk, user_id, user_email, user_is_active = creator
    if project_is_deleted:
        return _unmatched("key_deleted")  # its use was deleted with it
    outcome = _OUTCOMES.get(state, "forbidden")
    if outcome == "ok" and not user_is_active:
        outcome = "forbidden"
    usage.record(key_pk, outcome, time.time(), address)
    if outcome != "ok":
        return _refused(_CODES[outcome])
    return Verdict(
        Identity(key_pk, key_id, key_name, project_pk, project_id, project_name, user_pk, user_id, user_email)
    )
