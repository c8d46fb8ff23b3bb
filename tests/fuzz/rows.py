"""What the database and the file store hold, row by row, so that a change can be laid at somebody's door."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.db import connection

from accounts.models import User
from apikeys.models import ApiKey, KeyUse, ProjectUse, UnmatchedUse
from projects.models import Project

# A session holds CSRF secrets and half-finished sign-ins; the cache the limits' counts. Calls are counted for
# whoever makes them, refused ones too, by a writer of its own.
_LEFT_OUT = {"django_session", "cache", *(model._meta.db_table for model in (KeyUse, ProjectUse, UnmatchedUse))}
_COUNTED = {
    ApiKey._meta.db_table: {
        *("last_used_at", "last_used_address"),
        *("refused_calls", "last_refused_at", "last_refused_address"),
    }
}


class Row(NamedTuple):
    table: str
    values: tuple[tuple[str, Any], ...]

    def belongs_to(self, user: int) -> bool:
        return (self.table, user) == (User._meta.db_table, self["id"]) or self._refers(User, user)

    def is_of(self, project: int) -> bool:
        return (self.table, project) == (Project._meta.db_table, self["id"]) or self._refers(Project, project)

    def _refers(self, model: type, pk: int) -> bool:
        return any(self[column] == pk for column in _columns(self.table, model))

    def __getitem__(self, column: Any) -> Any:
        return dict(self.values).get(column)


def _columns(table: str, model: type) -> list[str]:
    """The columns of `table` that refer to `model`; a new table's are found without being named here."""
    return [
        field.column
        for other in apps.get_models(include_auto_created=True)
        if other._meta.db_table == table
        for field in other._meta.concrete_fields
        if field.related_model is model
    ]


def snapshot() -> frozenset[Row]:
    return frozenset(_rows()) | {
        Row("files", (("path", str(path)),)) for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()
    }


def _rows() -> Iterator[Row]:
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table in _LEFT_OUT:
                continue
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608  its own name
            names = [column[0] for column in cursor.description]
            for values in cursor.fetchall():
                plain = (bytes(value) if isinstance(value, memoryview) else value for value in values)
                pairs = zip(names, plain, strict=True)
                yield Row(table, tuple(pair for pair in pairs if pair[0] not in _COUNTED.get(table, ())))
