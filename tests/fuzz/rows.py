"""Everything that the database and the file store hold, row by row, so that each change can be blamed on a request."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.db import connection

from accounts.models import User
from apikeys.limits.models import Budget
from apikeys.models import ApiKey
from apikeys.usage.models import KeyCaller, KeyUse, ProjectUse, UnmatchedUse
from common.outbox.models import Email
from projects.models import Project

# A session holds CSRF secrets and unfinished sign-ins, and the cache holds the counts of limits. Usage counts every
# caller, also rejected ones, with a writer of its own, and a budget counts every allowed one. Anyone may cause an
# email, such as the reset of a password.
_LEFT_OUT = {
    "django_session",
    "cache",
    *(model._meta.db_table for model in (Email, Budget, KeyUse, KeyCaller, ProjectUse, UnmatchedUse)),
}
_COUNTED = {
    ApiKey._meta.db_table: {
        *("last_used_at", "last_used_address"),
        *("refused_calls", "last_refused_at", "last_refused_address"),
    }
}
FILES = "files"

Snapshot = dict[str, frozenset[tuple[Any, ...]]]


class Row(NamedTuple):
    table: str
    values: dict[str, Any]

    def belongs_to(self, user: int) -> bool:
        return self._is(User, user)

    def is_of(self, project: int) -> bool:
        return self._is(Project, project)

    def _is(self, model: type, pk: int) -> bool:
        if self.table == model._meta.db_table:  # type: ignore[attr-defined]  # a model
            return bool(self.values["id"] == pk)
        return any(self.values[column] == pk for column in _references(self.table, model))


@cache
def _references(table: str, model: type) -> list[str]:
    """The columns of `table` that refer to `model`, so that new tables need not be named here."""
    return [
        field.column
        for other in apps.get_models(include_auto_created=True)
        if other._meta.db_table == table
        for field in other._meta.concrete_fields
        if field.related_model is model
    ]


def version() -> tuple[Any, ...]:
    """A value that differs after any write. Reading it costs one query."""
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA data_version" if is_sqlite else "SELECT pg_snapshot_xmax(pg_current_snapshot())")
        return cursor.fetchone()[0], _files()


def _files() -> frozenset[tuple[Any, ...]]:
    return frozenset((str(path),) for path in settings.MEDIA_ROOT.rglob("*") if path.is_file())


def snapshot() -> Snapshot:
    found: Snapshot = {}
    with connection.cursor() as cursor:
        for table, columns in _tables().items():
            names = ", ".join(map(connection.ops.quote_name, columns))
            cursor.execute(f"SELECT {names} FROM {connection.ops.quote_name(table)}")  # noqa: S608  their own names
            found[table] = frozenset(map(_plain, cursor.fetchall()))
    found[FILES] = _files()
    return found


@cache
def _tables() -> dict[str, list[str]]:
    with connection.cursor() as cursor:
        return {
            table: [
                column.name
                for column in connection.introspection.get_table_description(cursor, table)
                if column.name not in _COUNTED.get(table, ())
            ]
            for table in connection.introspection.table_names(cursor)
            if table not in _LEFT_OUT
        }


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A form that can be compared and stored in a set."""
    return tuple(
        bytes(value) if isinstance(value, memoryview) else str(value) if isinstance(value, dict) else value
        for value in row
    )


def changes(before: Snapshot, after: Snapshot) -> Iterator[tuple[Row, bool]]:
    """Each row that is in only one of the two, and whether it is the new one."""
    for table, rows in after.items():
        columns = ["path"] if table == FILES else _tables()[table]
        for values in rows ^ before[table]:
            yield Row(table, dict(zip(columns, values, strict=True))), values in rows
