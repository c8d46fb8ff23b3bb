"""Header in, verdict out: the one rule that decides for the API and for `/verify`.

One indexed query, no ORM objects, nothing cached: a pause or a delete holds for every check that starts
after its answer. This module never writes to the database.
"""

import functools
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.views.decorators.debug import sensitive_variables
from psycopg.errors import LockNotAvailable, QueryCanceled

from accounts.models import User
from apikeys.models import ApiKey, KeyState, Outcome
from apikeys.secrets import secret_format, vault
from apikeys.usage import counting
from apikeys.verify import failed_keys, malformed, prepared_lookup
from common import database_deadline, outages
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

Row = Sequence[Any]

# PostgreSQL's binary format of the lookup's columns: a big-endian number, UTF-8, a byte. None of them is ever null.
_NUMBER, _TEXT, _BOOL = functools.partial(int.from_bytes, byteorder="big"), bytes.decode, b"\x01".__eq__
_DECODERS: tuple[Callable[[bytes], Any], ...] = (
    *(_NUMBER, _TEXT, _TEXT, _TEXT),
    *(_NUMBER, _TEXT, _TEXT, _BOOL),
    *(_NUMBER, _TEXT, _TEXT, _BOOL),
)

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
        return _failed("key_malformed", address)
    digests = vault.digests(bearer[1])
    if not digests:
        outages.log("verify_unavailable", "KEY_PEPPERS is empty.")
        return _refused("unavailable")
    try:
        with database_deadline.Begun():
            row = _look_up(digests)
    except Error as error:
        outages.log("verify_unavailable", error)
        return _refused("unavailable")
    return _judge(row, address) if row else _failed("key_unknown", address)


def message_of(code: str | None, authorization: str | None) -> str:
    """What to tell a caller who was refused with `code`; "" for the code's own message (MESSAGES)."""
    return malformed.fault_of(authorization or "", settings.KEY_PREFIX) if code == "key_malformed" else ""


def _failed(code: str, address: str | None) -> Verdict:
    """Only what is refused anyway is refused as one too many: a good key is let in, whoever shares its address."""
    is_too_many = failed_keys.record_failure(address)
    return _unmatched("too_many_failures" if is_too_many else code)


def _unmatched(code: str) -> Verdict:
    counting.record_unmatched(time.time())
    return _refused(code)


def _look_up(digests: list[bytes]) -> Row | None:
    """Asks over the thread's own Django connection, whether or not Django handles the request.

    Raises Django's database errors.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "postgresql":
        return _fetch(database, digests)
    # Django ends old connections between its own requests only, and after a failover the old server may live on.
    if database.close_at is not None and time.monotonic() >= database.close_at and not database.in_atomic_block:
        database.close()
    is_used = database.connection is not None
    try:
        return _fetch_prepared(database, digests)
    except Error as error:
        # After the database's restart every connection is dead, and after a migration what it has prepared may be;
        # asking twice is safe. Not what took too long already.
        database.close()
        took_long = isinstance(error.__cause__, database_deadline.NoAnswer | QueryCanceled | LockNotAvailable)
        if took_long or not is_used:
            raise
        return _fetch_prepared(database, digests)


def _fetch_prepared(database: BaseDatabaseWrapper, digests: list[bytes]) -> Row | None:
    database.ensure_connection()
    name, sql = _prepared_sql(len(digests))
    with database.wrap_database_errors:
        row = prepared_lookup.fetch_row(database.connection, name, sql, digests)
    return row and [decode(value) for decode, value in zip(_DECODERS, row, strict=True)]


def _fetch(database: BaseDatabaseWrapper, digests: list[bytes]) -> Row | None:
    with database.cursor() as cursor:
        cursor.execute(_LOOKUP.format(placeholders=", ".join(["%s"] * len(digests))), digests)
        row: Row | None = cursor.fetchone()
        return row


@functools.cache
def _prepared_sql(peppers: int) -> tuple[bytes, bytes]:
    """The statement, and a name that no release gives to another one: a pooler may keep it for several servers."""
    placeholders = ", ".join(f"${number}" for number in range(1, peppers + 1))
    sql = _LOOKUP.format(placeholders=placeholders).encode()
    return f"latchkey_{hashlib.sha256(sql).hexdigest()[:16]}".encode(), sql


def _judge(row: Row, address: str | None) -> Verdict:
    (key_pk, state, key_id, key_name, project_pk, project_id, project_name, project_is_deleted, *creator) = row
    user_pk, user_id, user_email, user_is_active = creator
    if project_is_deleted:
        return _unmatched("key_deleted")  # its use was deleted with it
    outcome = _OUTCOMES.get(state, "forbidden")
    if outcome == "ok" and not user_is_active:
        outcome = "forbidden"
    counting.record(key_pk, outcome, time.time(), address)
    if outcome != "ok":
        return _refused(_CODES[outcome])
    return Verdict(
        Identity(key_pk, key_id, key_name, project_pk, project_id, project_name, user_pk, user_id, user_email)
    )
