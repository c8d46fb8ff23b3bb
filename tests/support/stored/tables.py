"""Everything that the database and the file store hold, to compare the state before and after."""

from typing import Any

from django.conf import settings
from django.db import connection

# A session holds CSRF secrets and unfinished sign-ins, which a GET may begin; it holds no user's data. The cache holds
# counts of limits, which reading a page changes. last_login is compared, so tests sign in first.
_LEFT_OUT = {"django_session", "cache"}


def everything() -> dict[str, list[Any]]:
    """Each table's rows and the names of all stored files, in any order of rows and columns."""
    found: dict[str, list[Any]] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table not in _LEFT_OUT:
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608  a name from the schema
                columns = [column[0] for column in cursor.description]
                found[table] = sorted(repr(_by_name(columns, row)) for row in cursor.fetchall())
    found["files"] = sorted(str(path) for path in settings.MEDIA_ROOT.rglob("*") if path.is_file())
    return found


def _by_name(columns: list[str], row: tuple[Any, ...]) -> list[tuple[str, Any]]:
    values = [bytes(value) if isinstance(value, memoryview) else value for value in row]
    return sorted(zip(columns, values, strict=True), key=lambda pair: pair[0])
