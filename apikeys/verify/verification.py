"""Header in, verdict out: the one rule that decides for the API and for `/verify`.

One indexed query, no ORM objects, nothing cached: a pause or a deletion holds for every check that starts after its
answer. Only a limit of the key or of its project makes a check write, and then only once for a block of requests
(apikeys/bounds/budgets.py).
"""

import functools
import hashlib
import re
import struct
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, get_type_hints

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.views.decorators.debug import sensitive_variables
from psycopg.errors import LockNotAvailable, QueryCanceled

from accounts.models import User
from apikeys.bounds import access, limits
from apikeys.bounds.access import FULL, Asked
from apikeys.bounds.limits import Headers
from apikeys.bounds.restrictions import NO_LIMITS, UNRESTRICTED, Unreadable, read_text
from apikeys.bounds.scopes import vocabulary
from apikeys.models import ApiKey
from apikeys.refusals import (
    INSUFFICIENT_SCOPE,
    KEY_DELETED,
    KEY_EXPIRED,
    KEY_MALFORMED,
    KEY_MISSING,
    KEY_UNKNOWN,
    LET_IN,
    TOO_MANY_FAILURES,
)
from apikeys.secrets import secret_format, vault
from apikeys.standing import UNKNOWN, Facts, standing_of
from apikeys.usage import counting
from apikeys.verify import failed_keys, malformed, prepared_lookup
from common import database_deadline, outages
from common.answers.refusals import INVALID, UNAVAILABLE, Refusal
from common.instants import in_words
from projects.models import Project

# RFC 6750, 2.1: the scheme, in any case (RFC 9110, 11.1), a space and the token. Our tokens are alphanumeric.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([0-9A-Za-z_]{1,64})")


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
# The columns of the check are declared above and nowhere else: the SELECT, its decoders and the tuples follow.
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

_DOUBLE = struct.Struct("!d").unpack
# PostgreSQL's binary format: a big-endian number, UTF-8, a byte. Only an instant or JSON can be null; it is empty then.
_BINARY: dict[Any, Callable[[bytes], Any]] = {
    int: int.from_bytes,
    str: bytes.decode,
    bool: b"\x01".__eq__,
    _INSTANT: lambda value: _DOUBLE(value)[0] if value else None,
    _JSON: lambda value: value.decode() if value else None,
}
_DECODERS = [_BINARY[kind] for _, kind in _COLUMNS]
# SQLite's instants come as datetimes without a time zone. They are in UTC.
_INSTANTS = [place for place, (_, kind) in enumerate(_COLUMNS) if kind == _INSTANT]


class Verdict(NamedTuple):
    """`identity` if the request may pass. Otherwise `refusal` tells why not; with an identity it means nothing.

    `message` is for the rejected caller; "" stands for the refusal's own message. `headers` go with the answer, also
    with that of an allowed request.
    """

    identity: Identity | None
    refusal: Refusal = UNAVAILABLE
    message: str = ""
    headers: Headers = ()

    @property
    def code(self) -> str | None:
        return None if self.identity else self.refusal.code


# A request of which nothing is known. Read-only keys are rejected then.
_NOTHING = Asked()


@sensitive_variables()
def verify(authorization: str | None, address: str | None = None, asked: Asked = _NOTHING) -> Verdict:
    """Decides by the value of an Authorization header, None for a request without one, and by what is asked.

    The request is counted with its outcome, and `address` is stored as the key's last one. It costs one query, and none
    for a value that cannot be a secret; a limit can cost more of them. If the database cannot be asked, the answer is
    the refusal `unavailable` and never an exception.
    """
    if authorization is None:
        return _unmatched(KEY_MISSING)
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None or not secret_format.is_well_formed(bearer[1], settings.KEY_PREFIX):
        return _failed(KEY_MALFORMED, address, malformed.fault_of(authorization, settings.KEY_PREFIX))
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
    return _judge(row, address, asked) if row else _failed(KEY_UNKNOWN, address)


def _failed(refusal: Refusal, address: str | None, message: str = "") -> Verdict:
    """Only a request that is rejected anyway can be over the limit: a good key is always allowed."""
    is_too_many = failed_keys.record_failure(address)
    return _unmatched(TOO_MANY_FAILURES) if is_too_many else _unmatched(refusal, message)


def _unmatched(refusal: Refusal, message: str = "") -> Verdict:
    counting.record_unmatched(time.time())
    return Verdict(None, refusal, message)


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


def _judge(row: Row, address: str | None, asked: Asked) -> Verdict:
    facts = Facts(*row[_FIRST_FACT:_AFTER_FACTS])
    of_key, of_project, project_is_deleted = row[_AFTER_FACTS:]
    if project_is_deleted:
        return _unmatched(KEY_DELETED)  # its use was deleted with it
    identity = Identity._make((*row[:_FIRST_FACT], facts.expires_at, FULL))
    now = time.time()
    standing = standing_of(facts, now)
    if standing is UNKNOWN:
        outages.log("verify_unavailable", f"This release knows no state {facts.state!r}.", key_id=identity.key_id)
        return Verdict(None, UNAVAILABLE)
    if standing.refusal is not None:
        counting.record(identity.key_pk, standing.outcome, now, address)
        return Verdict(None, standing.refusal, _message(standing.refusal, facts.expires_at))
    if asked.scopes:
        _log_undefined(asked.scopes)
    verdict = Verdict(identity)
    if of_key or of_project:
        verdict = _within_bounds(identity, of_key, of_project, address, asked)
    if verdict.identity or verdict.refusal.outcome:
        counting.record(identity.key_pk, LET_IN if verdict.identity else verdict.refusal.outcome, now, address)
    return verdict


def _log_undefined(scopes: Sequence[str]) -> None:
    """Such a scope lets keys with full access pass and no others, which nobody may want."""
    if undefined := [scope for scope in scopes if scope not in vocabulary()]:
        outages.log("scope_undefined", f"SCOPES does not define {undefined[0]}, which a gateway or an API asks for.")


def _within_bounds(
    identity: Identity, of_key: str | None, of_project: str | None, address: str | None, asked: Asked
) -> Verdict:
    """The verdict on a key that works but is restricted, or whose project is."""
    try:
        restrictions = read_text(of_key) if of_key else UNRESTRICTED
        shared = read_text(of_project).limits if of_project else NO_LIMITS
    except Unreadable:
        outages.log("verify_unavailable", "This release does not know the key's restrictions.", key_id=identity.key_id)
        return Verdict(None, UNAVAILABLE)
    if refused := access.refusal_of(restrictions, asked, address, vocabulary()):
        return Verdict(None, *refused, _challenge(refused[0], asked))
    identity = identity._replace(scopes=access.granted(restrictions))
    named = [*limits.of_key(identity.key_pk, restrictions.limits), *limits.of_project(identity.project_pk, shared)]
    if not named:
        return Verdict(identity)
    if asked.cost > limits.smallest(named):
        return Verdict(None, INVALID, _too_costly(asked.cost, limits.smallest(named)))
    try:
        outcome = limits.take(named, asked.cost)
    except Error as error:
        outages.log("verify_unavailable", error)
        return Verdict(None, UNAVAILABLE)
    if outcome.refusal:
        return Verdict(None, outcome.refusal, outcome.message, outcome.headers)
    return Verdict(identity, headers=outcome.headers)


def _challenge(refusal: Refusal, asked: Asked) -> Headers:
    """RFC 6750, 3.1: the scopes that the call needs."""
    if refusal is not INSUFFICIENT_SCOPE:
        return ()
    scopes = " ".join(asked.scopes)
    return (("WWW-Authenticate", f'Bearer realm="api", error="{refusal.bearer_error}", scope="{scopes}"'),)


def _too_costly(cost: int, most: int) -> str:
    return f"A request that costs {cost:,} can never be allowed: a limit of the key or of its project is {most:,}."


def _message(refusal: Refusal, expires_at: float | None) -> str:
    """The message with the instant of the key's end; "" if the refusal's own message says all."""
    if refusal is not KEY_EXPIRED or expires_at is None:
        return ""
    at = datetime.fromtimestamp(expires_at, UTC)
    return KEY_EXPIRED.message.replace("has expired", f"expired on {in_words(at)}")
