"""Django's caches with JSON instead of pickles.

Django unpickles every value that it finds in a cache, and loading a pickle runs code. Anybody who can write to the
cache's table or to Redis could run code as the server. Here a value that is not JSON counts as absent.

The database cache also keeps every value until it expires. When its table is full, Django's own cache deletes a third
of the rows in the order of their names, so limits that still hold would be forgotten.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends import db, redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import OperationalError, connections, router
from django.utils import timezone

_ABSENT = object()


class CacheFull(OperationalError):
    """The table holds as many rows as it may, and none of them has expired. Pages answer 503."""


def dumps(value: Any) -> str:
    """Raises TypeError or ValueError for a value that JSON cannot hold."""
    return json.dumps(value, allow_nan=False)


def loads(stored: str | bytes) -> Any:
    """The value, or `_ABSENT` if it is not JSON."""
    try:
        return json.loads(stored, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _ABSENT


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _readable(found: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in found.items() if value is not _ABSENT}


class DatabaseCache(db.DatabaseCache):
    """Rows of JSON. `add` and `set` are one statement each, on PostgreSQL and on SQLite."""

    has_key = BaseCache.has_key

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        names = {self.make_and_validate_key(key, version=version): key for key in keys}
        if not names:
            return {}
        marks = ", ".join(["%s"] * len(names))
        sql = f"SELECT cache_key, value FROM {{table}} WHERE cache_key IN ({marks}) AND expires >= %s"  # noqa: S608
        with self._connection().cursor() as cursor:
            cursor.execute(self._named(sql), [*names, self._time(timezone.now())])
            return _readable({names[name]: loads(value) for name, value in cursor.fetchall()})

    def _base_set(self, mode: str, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT) -> bool:
        """The shared part of `add`, `set` and `touch`. Raises CacheFull for a new key that has no room."""
        expires = self._time(self._end(timeout))
        with self._connection().cursor() as cursor:
            if mode == "touch":
                sql = "UPDATE {table} SET expires = %s WHERE cache_key = %s AND expires >= %s"
                cursor.execute(self._named(sql), [expires, key, self._time(timezone.now())])
                return bool(cursor.rowcount)
            only_if, arguments = self._replaceable(cursor, key) if mode == "add" else ("TRUE", [])
            sql = (
                "INSERT INTO {table} (cache_key, value, expires) VALUES (%s, %s, %s) ON CONFLICT (cache_key) "
                "DO UPDATE SET value = excluded.value, expires = excluded.expires WHERE "
            )
            row = [key, dumps(value), expires]
            if not self._has_room(cursor, mode):
                sql = "UPDATE {table} SET value = %s, expires = %s WHERE cache_key = %s AND "
                row = [dumps(value), expires, key]
            cursor.execute(self._named(sql + only_if), [*row, *arguments])
            if not cursor.rowcount and sql.startswith("UPDATE") and not self._is_there(cursor, key):
                raise CacheFull("The table of the cache is full of rows that have not expired.")
            return bool(cursor.rowcount)

    def _has_room(self, cursor: Any, mode: str) -> bool:
        """Whether a row may be added. Expired rows are deleted first if the table is full.

        `add` may use a tenth more rows: limits take locks with it, in order to count rows that exist already.
        """
        most = self._max_entries + (self._max_entries // 10 if mode == "add" else 0)
        cursor.execute(self._named("SELECT COUNT(*) FROM {table}"))
        rows = cursor.fetchone()[0]
        if rows >= most:
            cursor.execute(self._named("DELETE FROM {table} WHERE expires < %s"), [self._time(timezone.now())])
            rows -= cursor.rowcount
        return bool(rows < most)

    def _replaceable(self, cursor: Any, key: str) -> tuple[str, list[Any]]:
        """The condition for a row that counts as absent: it has expired, or its value is not JSON."""
        expired, now = "{table}.expires < %s", self._time(timezone.now())
        cursor.execute(self._named("SELECT value FROM {table} WHERE cache_key = %s"), [key])
        row = cursor.fetchone()
        if row and loads(row[0]) is _ABSENT:
            return f"({expired} OR {{table}}.value = %s)", [now, row[0]]
        return expired, [now]

    def _is_there(self, cursor: Any, key: str) -> bool:
        cursor.execute(self._named("SELECT 1 FROM {table} WHERE cache_key = %s"), [key])
        return cursor.fetchone() is not None

    def _end(self, timeout: float | None) -> datetime:
        seconds = self.get_backend_timeout(timeout)
        if seconds is None:
            return datetime.max.replace(microsecond=0, tzinfo=UTC)
        return datetime.fromtimestamp(seconds, tz=UTC)

    def _connection(self) -> Any:
        return connections[router.db_for_write(self.cache_model_class)]

    def _time(self, moment: datetime) -> Any:
        return self._connection().ops.adapt_datetimefield_value(moment)

    def _named(self, sql: str) -> str:
        return sql.format(table=self._connection().ops.quote_name(self.cache_model_class._meta.db_table))


class Serializer:
    def dumps(self, value: Any) -> bytes:
        return dumps(value).encode()

    def loads(self, stored: Any) -> Any:
        return loads(stored)


class RedisCacheClient(redis.RedisCacheClient):
    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, serializer=Serializer, **options)

    def get(self, key: Any, default: Any) -> Any:
        found = super().get(key, default)
        return default if found is _ABSENT else found

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        return _readable(super().get_many(keys))

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        added = super().add(key, value, timeout)
        return bool(added or (self._forget_unreadable(key) and super().add(key, value, timeout)))

    def _forget_unreadable(self, key: Any) -> bool:
        """Deletes a value that is not JSON, unless another process has replaced it since."""
        client: Any = self.get_client(key, write=True)
        with client.pipeline() as pipe:
            pipe.watch(key)
            found = pipe.get(key)
            if found is None or loads(found) is not _ABSENT:
                return False
            pipe.multi()
            pipe.delete(key)
            try:
                pipe.execute()
            except self._lib.WatchError:  # type: ignore[attr-defined]
                return False
            return True


class RedisCache(redis.RedisCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = RedisCacheClient

    has_key = BaseCache.has_key
