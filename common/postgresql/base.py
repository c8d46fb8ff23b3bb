"""Django's own backend for PostgreSQL, whose waits end where a server never answers (common/database_deadline.py).

All that psycopg sends and receives it does in a generator, which it asks again at least every tenth of a second.

The only module that uses what psycopg keeps private, which is why pyproject.toml pins its minor version.
tests/common/postgresql/test_psycopg_contract.py holds what it relies on.
"""

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any, TypeVar

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base, schema

from common import database_deadline
from common.postgresql import hosts

# Milliseconds. PostgreSQL's own limits, which end what takes too long where the server works (docs/reliability.md).
LIMITS = {"statement_timeout": 3500, "lock_timeout": 3000}

OPTIONS_LOST = "DATABASE_URL: options do not pass a connection pooler. Use ALTER ROLE … IN DATABASE … SET instead."

Returned = TypeVar("Returned")
Steps = Generator[Any, Any, Returned]


def _until_over(steps: Steps[Returned]) -> Steps[Returned]:
    """As `steps`, but raises NoAnswer once the wait at hand is over and nothing has come."""
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and database_deadline.is_over():
                raise database_deadline.NoAnswer(f"The database gave no answer in {database_deadline.SECONDS} s.")
            wanted = steps.send(ready)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()


class Connection(psycopg.Connection[Any]):
    @classmethod
    def connect(cls, *arguments: Any, **options: Any) -> "Connection":
        """The addresses of a host share one wait; each is tried for connect_timeout."""
        with database_deadline.Wait():
            return super().connect(*arguments, **options)

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> Steps["Connection"]:
        return _until_over(super()._connect_gen(conninfo))

    def wait(self, gen: Steps[Returned], *arguments: Any, **options: Any) -> Returned:
        with database_deadline.Wait():
            try:
                return super().wait(_until_over(gen), *arguments, **options)
            except database_deadline.NoAnswer:
                self.close()  # the answer may still come, and would be taken for the next one's
                raise


def is_pooled(connection: psycopg.Connection[Any], server_pid: int) -> bool:
    """A pooler sends a process id of its own when a connection begins. The server behind it has another one."""
    return server_pid != connection.info.backend_pid


class SchemaEditor(schema.DatabaseSchemaEditor):
    """Migrations take as long as they take: an index over many rows needs longer than a request's statement may.

    Locks are waited for no longer than elsewhere, or all that come after would wait for the migration.
    """

    def __enter__(self) -> "SchemaEditor":
        super().__enter__()
        if self.atomic_migration and not self.collect_sql:
            self.execute("SET LOCAL statement_timeout = 0")
        return self


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = SchemaEditor
    limits = LIMITS
    _close_at: float | None = None
    _moves = 0

    # Django and the check ask it before they use a connection (apikeys/verify/key_lookup.py).
    @property
    def close_at(self) -> float | None:
        """When this connection has to be closed, by time.monotonic: at once, if this process has moved to another
        server.
        """
        return self._close_at if self._moves == hosts.moves else 0.0

    @close_at.setter
    def close_at(self, at: float | None) -> None:
        self._close_at = at

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        """With LIMITS set by a statement: poolers refuse the startup parameter `options`.

        Behind a pooler that gives each transaction another connection, a statement reaches only one of them. There the
        role's own settings have to hold (common/postgresql/pooler.py).
        """
        try:
            connection: Connection = super().get_new_connection(hosts.in_turn(conn_params))
        except psycopg.OperationalError:
            hosts.note_failed()
            raise
        hosts.note_reached(conn_params, connection.info)
        self._moves = hosts.moves
        limits = ", ".join(f"set_config('{name}', '{limit}', false)" for name, limit in self.limits.items())
        try:
            connection.autocommit = True  # a transaction that is rolled back would take them back
            [(server_pid, *_)] = connection.execute(f"SELECT pg_backend_pid(), {limits}")
            # Statements without the options would be about another schema, for example.
            if "options" in conn_params and is_pooled(connection, server_pid):
                raise ImproperlyConfigured(OPTIONS_LOST)
        except BaseException:
            connection.close()
            raise
        return connection

    # What Django takes from psycopg here: its exceptions, and how to connect. A standby, or a database that was made
    # read-only because it is full, cannot be asked for the time being; psycopg has that among its internal errors.
    Database = SimpleNamespace(
        **{
            **vars(psycopg),
            "connect": Connection.connect,
            "OperationalError": (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction),
        }
    )
