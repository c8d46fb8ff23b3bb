"""Header in, verdict out: the one rule that decides for the API and for `/verify`.

One indexed query, no ORM objects, nothing cached: a pause or a deletion holds for every check that starts after its
answer. This module never writes to the database.
"""

import functools
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple, get_type_hints

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.views.decorators.debug import sensitive_variables
from psycopg.errors import LockNotAvailable, QueryCanceled

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.refusals import KEY_DELETED, KEY_MALFORMED, KEY_MISSING, KEY_UNKNOWN, TOO_MANY_FAILURES
from apikeys.secrets import secret_format, vault
from apikeys.standing import UNKNOWN, Facts, standing_of
from apikeys.usage import counting
from apikeys.verify import failed_keys, malformed, prepared_lookup
from common import database_deadline, outages
from common.answers.refusals import UNAVAILABLE, Refusal
from projects.models import Project

# RFC 6750, 2.1: the scheme, in any case (RFC 9110, 11.1), a space and the token. Our tokens are alphanumeric.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([0-9A-Za-z_]{1,64})")


class Identity(NamedTuple):
    """Who the request is from: the key, its project and the user who created the key. Each field is declared with its
    column.
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


# The facts that the standing follows from, each with its column.
_FACTS = {"state": "k.state", "pause_reason": "k.pause_reason", "creator_is_active": "u.is_active"}
# The columns of the check are declared above and nowhere else: the SELECT, its decoders and the tuples follow.
_COLUMNS: list[tuple[str, type]] = [
    *((hint.__metadata__[0], hint.__origin__) for hint in get_type_hints(Identity, include_extras=True).values()),
    *((_FACTS[fact], kind) for fact, kind in get_type_hints(Facts).items()),
    ("p.deleted_at IS NOT NULL", bool),
]
_FIRST_FACT = len(Identity._fields)

_LOOKUP = f"""
SELECT {", ".join(sql for sql, _ in _COLUMNS)}
FROM {ApiKey._meta.db_table} k
JOIN {Project._meta.db_table} p ON p.id = k.project_id
JOIN {User._meta.db_table} u ON u.id = k.created_by_id
WHERE k.digest IN ({{placeholders}})
"""  # noqa: S608  the names come from the models and the declarations

Row = Sequence[Any]

# PostgreSQL's binary format: a big-endian number, UTF-8, a byte. No column is ever null.
_BINARY: dict[type, Callable[[bytes], Any]] = {
    int: int.from_bytes,
    str: bytes.decode,
    bool: b"\x01".__eq__,
}
_DECODERS = [_BINARY[kind] for _, kind in _COLUMNS]


class Verdict(NamedTuple):
    """`identity` if the request may pass. Otherwise `refusal` tells why not; with an identity it means nothing."""

    identity: Identity | None
    refusal: Refusal = UNAVAILABLE

    @property
    def code(self) -> str | None:
        return None if self.identity else self.refusal.code


@sensitive_variables()
def verify(authorization: str | None, address: str | None = None) -> Verdict:
    """Decides by the value of an Authorization header, None for a request without one.

    The request is counted with its outcome, and `address` is stored as the key's last one. It costs one query, and none
    for a value that cannot be a secret. If the database cannot be asked, the answer is the refusal `unavailable` and
    never an exception.
    """
    if authorization is None:
        return _unmatched(KEY_MISSING)
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None or not secret_format.is_well_formed(bearer[1], settings.KEY_PREFIX):
        return _failed(KEY_MALFORMED, address)
    digests = vault.digests(bearer[1])
    if not digests:
        outages.log("verify_unavailable", "KEY_PEPPERS is empty.")
        return Verdict(None, UNAVAILABLE)
    try:
        with database_deadline.Begun():
            row = _look_up(digests)
    except Error as error:
        outages.log("verify_unavailable", error)
        return Verdict(None, UNAVAILABLE)
    return _judge(row, address) if row else _failed(KEY_UNKNOWN, address)


def message_of(refusal: Refusal, authorization: str | None) -> str:
    """The message for the rejected caller; "" for the refusal's own message."""
    return malformed.fault_of(authorization or "", settings.KEY_PREFIX) if refusal is KEY_MALFORMED else ""


def _failed(refusal: Refusal, address: str | None) -> Verdict:
    """Only a request that is rejected anyway can be over the limit: a good key is always allowed."""
    is_too_many = failed_keys.record_failure(address)
    return _unmatched(TOO_MANY_FAILURES if is_too_many else refusal)


def _unmatched(refusal: Refusal) -> Verdict:
    counting.record_unmatched(time.time())
    return Verdict(None, refusal)


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
    """The statement, and a name that no other release uses: a pooler may keep the statement for several servers."""
    placeholders = ", ".join(f"${number}" for number in range(1, peppers + 1))
    sql = _LOOKUP.format(placeholders=placeholders).encode()
    return f"latchkey_{hashlib.sha256(sql).hexdigest()[:16]}".encode(), sql


def _judge(row: Row, address: str | None) -> Verdict:
    identity, facts, project_is_deleted = Identity(*row[:_FIRST_FACT]), Facts(*row[_FIRST_FACT:-1]), row[-1]
    if project_is_deleted:
        return _unmatched(KEY_DELETED)  # its use was deleted with it
    now = time.time()
    standing = standing_of(facts, now)
    if standing is UNKNOWN:
        outages.log("verify_unavailable", f"This release knows no state {facts.state!r}.", key_id=identity.key_id)
        return Verdict(None, UNAVAILABLE)
    counting.record(identity.key_pk, standing.outcome, now, address)
    return Verdict(None, standing.refusal) if standing.refusal else Verdict(identity)
