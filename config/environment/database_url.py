"""DATABASE_URL: libpq's own parser reads it, so that several hosts and libpq's parameters mean what they mean there.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from common.whole_numbers import read_whole
from config.environment.variables import refusal, unreadable

NAME = "DATABASE_URL"
# What the limits of docs/reliability.md rest on, and what Django and the counts need.
OWN_OPTIONS: dict[str, Any] = {
    # The kernel's limits; a server that is frozen keeps neither (common/database_deadline.py).
    "connect_timeout": 3,
    "tcp_user_timeout": 4000,
    # A host that is gone says nothing: without these, whoever waits for an answer would do so for hours.
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    # Counts are written by two statements in one message (apikeys/usage/writing.py).
    "server_side_binding": False,
}
_SQLITE_OPTIONS = {
    # Without IMMEDIATE, transactions that read before they write fail under contention.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
}
_PLACES = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
# libpq looks at these only when it connects. Each connection would fail.
_WORDS = {
    "sslmode": {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
    "target_session_attrs": {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"},
    "gssencmode": {"disable", "prefer", "require"},
    "channel_binding": {"disable", "prefer", "require"},
    "load_balance_hosts": {"disable", "random"},
}
_NOT_READ = {"read-only", "standby", "prefer-standby"}


def is_postgresql(url: str) -> bool:
    return url.startswith(("postgres://", "postgresql://"))


def parse(url: str) -> dict[str, Any]:
    """Django's DATABASES entry. Raises ImproperlyConfigured for an address that cannot be read or cannot work."""
    if is_postgresql(url):
        return _postgresql(url)
    if url.startswith("sqlite:///"):
        return _sqlite(url)
    raise unreadable(NAME)


def _sqlite(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.query:
        raise refusal(NAME, "SQLite takes no options.")
    file = Path(unquote(parts.path[1:]))
    if not parts.path[1:] or not file.parent.is_dir():
        raise refusal(NAME, f"SQLite's file needs a folder that is there, not {str(file.parent)!r}.")
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file), "CONN_MAX_AGE": 60, "OPTIONS": _SQLITE_OPTIONS}


def _postgresql(url: str) -> dict[str, Any]:
    _refuse_unknown_options(url)
    try:
        given: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise unreadable(NAME) from None
    hosts, ports = str(given.get("host", "")).split(","), str(given.get("port", "")).split(",")
    if not all(port == "" or _is_port(port) for port in ports) or any(re.search(r"\s|\"|'", host) for host in hosts):
        raise unreadable(NAME)
    if len(ports) not in {1, len(hosts)}:
        raise refusal(NAME, f"it has {len(hosts)} hosts and {len(ports)} ports.")
    if not given.get("dbname") and not given.get("service"):
        raise refusal(NAME, "it names no database.")
    if len(given.get("dbname", "")) > 63:
        raise refusal(NAME, "the name of the database is longer than PostgreSQL's 63 characters.")
    _refuse_what_cannot_work(given)
    database = {place: given.pop(name, "") for name, place in _PLACES.items()}
    return {
        "ENGINE": "common.postgresql",
        **database,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # A pooler may give each statement another connection, and cursors would be left behind on the one before.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": given | OWN_OPTIONS,
    }


def _is_port(text: str) -> bool:
    return bool(read_whole(text, 65535))


def _refuse_unknown_options(url: str) -> None:
    """Names the parameter: libpq's own words for it would come as an error that holds more of the address."""
    try:
        rest, _, query = url.partition("://")[2].partition("?")
        names = [name for name, _ in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))]
    except ValueError:
        raise unreadable(NAME) from None
    # An "@" that is not encoded. What stands before it may be a part of the password.
    if "@" in rest.partition("/")[2] + query:
        raise unreadable(NAME)
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {"ssl"}
    for name in names:
        if name in {"search_path", "currentSchema"}:
            raise refusal(NAME, f"{name} is no parameter of an address. Write options=-csearch_path%3DNAME.")
        if name not in known:
            raise refusal(NAME, f"libpq has no parameter {name!r}.")
        if name in OWN_OPTIONS or name in {"client_encoding", "replication"}:
            raise refusal(NAME, f"Latchkey sets {name} itself.")


def _refuse_what_cannot_work(given: dict[str, Any]) -> None:
    for name, words in _WORDS.items():
        if name in given and given[name] not in words:
            raise refusal(NAME, f"{name} must be one of {', '.join(sorted(words))}.")
    if given.get("target_session_attrs") in _NOT_READ:
        raise refusal(NAME, "target_session_attrs must be read-write, primary or any: Latchkey writes.")
    for limit in ("statement_timeout", "lock_timeout"):
        if limit in str(given.get("options", "")):
            raise refusal(NAME, f"options sets {limit}, and Latchkey sets it itself.")
