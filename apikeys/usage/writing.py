"""Adds counts to the database: one message on PostgreSQL, five statements in one transaction on SQLite.

Both databases read the batch as JSON, so a statement's text does not depend on its size. On PostgreSQL the rows of the
keys are locked first, in the order of their ids, so that two processes never wait for each other. A deletion of a
project holds these locks too. The statement that waited for them starts after the deletion and sees it, so the deleted
use is not written again.
"""

import functools
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from apikeys.models import ApiKey
from apikeys.refusals import LET_IN
from apikeys.usage import writing_callers
from apikeys.usage.caller_bounds import Callers
from apikeys.usage.models import KeyUse, ProjectUse, Span, UnmatchedUse
from projects.models import Project

HOUR_SECONDS = 3600


class Noted(NamedTuple):
    """Requests of one key (or of none) with one outcome in one hour; times are seconds since 1970."""

    key_pk: int | None
    outcome: str
    hour: int
    calls: int
    last_at: float
    last_address: str | None
    callers: Callers = {}  # never changed


_USE = {"key_id": "bigint", "span": "text", "starts_at": "timestamptz", "outcome": "text", "calls": "bigint"}
_USE |= {"last_at": "timestamptz", "last_address": "inet"}
_KEYS = {"key_id": "bigint", "used_at": "timestamptz", "used_address": "inet", "refused_as": "text"}
_KEYS |= {"refused_calls": "bigint", "refused_at": "timestamptz", "refused_address": "inet"}


def _source(columns: dict[str, str]) -> str:
    if connection.vendor == "postgresql":
        types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        return f"SELECT * FROM json_to_recordset(%s::json) AS row({types})"  # noqa: S608  the names are ours
    values = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
    return f"SELECT {values} FROM json_each(%s)"  # noqa: S608


_LIVING = f"""
SELECT k.id, k.project_id FROM {ApiKey._meta.db_table} k JOIN {Project._meta.db_table} p ON p.id = k.project_id
WHERE p.deleted_at IS NULL AND k.id IN (SELECT key_id FROM touched)
"""  # noqa: S608

_LOCK = f"SELECT 1 FROM {ApiKey._meta.db_table} WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"  # noqa: S608

_COUNT = f"""
INSERT INTO {KeyUse._meta.db_table} AS u (key_id, span, starts_at, outcome, calls, last_at, last_address)
SELECT n.key_id, n.span, n.starts_at, n.outcome, n.calls, n.last_at, n.last_address
FROM noted n JOIN living ON living.id = n.key_id WHERE n.key_id IS NOT NULL ORDER BY 1, 2, 3, 4
ON CONFLICT (key_id, span, starts_at, outcome) DO UPDATE SET
  calls = u.calls + excluded.calls,
  last_address = CASE WHEN excluded.last_at >= u.last_at THEN excluded.last_address ELSE u.last_address END,
  last_at = CASE WHEN excluded.last_at >= u.last_at THEN excluded.last_at ELSE u.last_at END
"""  # noqa: S608

_COUNT_OF_PROJECTS = f"""
INSERT INTO {ProjectUse._meta.db_table} AS u (project_id, starts_at, outcome, calls)
SELECT living.project_id, n.starts_at, n.outcome, sum(n.calls)
FROM noted n JOIN living ON living.id = n.key_id WHERE n.span = 'day' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (project_id, starts_at, outcome) DO UPDATE SET calls = u.calls + excluded.calls
"""  # noqa: S608

_COUNT_UNMATCHED = f"""
INSERT INTO {UnmatchedUse._meta.db_table} AS u (starts_at, calls)
SELECT starts_at, calls FROM noted WHERE key_id IS NULL ORDER BY 1
ON CONFLICT (starts_at) DO UPDATE SET calls = u.calls + excluded.calls
"""  # noqa: S608

# How a request with the key was rejected at the instant t.refused_at, by what is stored of the key now.
_REJECTED_AS = """CASE WHEN k.state = 'paused' AND (k.resumes_at IS NULL OR k.resumes_at > t.refused_at) THEN 'paused'
    WHEN k.state = 'ended' OR (k.state <> 'deleted' AND k.expires_at <= t.refused_at) THEN 'expired'
    ELSE k.state END"""

# Two processes may write in either order: the later use wins. A rejection counts while the state that caused it lasts.
_TOUCH = f"""
UPDATE {ApiKey._meta.db_table} AS k SET
  last_used_address =
    CASE WHEN k.last_used_at IS NULL OR k.last_used_at < t.used_at THEN t.used_address ELSE k.last_used_address END,
  last_used_at = CASE WHEN k.last_used_at IS NULL OR k.last_used_at < t.used_at THEN t.used_at ELSE k.last_used_at END,
  refused_calls = k.refused_calls + CASE WHEN {_REJECTED_AS} = t.refused_as THEN t.refused_calls ELSE 0 END,
  last_refused_address = CASE WHEN {_REJECTED_AS} = t.refused_as
    AND (k.last_refused_at IS NULL OR k.last_refused_at < t.refused_at) THEN t.refused_address
    ELSE k.last_refused_address END,
  last_refused_at = CASE WHEN {_REJECTED_AS} = t.refused_as
    AND (k.last_refused_at IS NULL OR k.last_refused_at < t.refused_at) THEN t.refused_at
    ELSE k.last_refused_at END
FROM touched t JOIN living ON living.id = t.key_id WHERE k.id = t.key_id
"""  # noqa: S608


def write(batch: Iterable[Noted]) -> None:
    """Raises Django's database errors. Then nothing was written, unless only the confirmation was lost
    (docs/decisions/0007-hours-and-days.md).
    """
    batch = list(batch)
    parameters = [json.dumps(made(batch)) for made in (_use_rows, _key_rows, _caller_rows)]
    rows = f"WITH noted AS ({_source(_USE)}), touched AS ({_source(_KEYS)}), living AS ({_LIVING})"
    rows += f", callers AS ({_source(writing_callers.COLUMNS)}), {writing_callers.CTES}"
    parts = (_COUNT, _COUNT_OF_PROJECTS, _COUNT_UNMATCHED, writing_callers.COUNT)
    if connection.vendor == "postgresql":
        counting = ", ".join(f"part{number} AS ({part})" for number, part in enumerate(parts))
        pks = [noted.key_pk for noted in batch if noted.key_pk is not None]
        with connection.cursor() as cursor:
            # One message, which is one transaction: the locks end with the server's work. With several messages, a
            # pause would also wait until this thread gets its turn in a busy process.
            cursor.execute(f"{_LOCK}; {rows}, {counting} {_TOUCH}", [pks, *parameters])
        return
    with transaction.atomic(), connection.cursor() as cursor:
        for part in (*parts, _TOUCH):
            cursor.execute(f"{rows} {part}", parameters)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else _column(datetime.fromtimestamp(seconds, UTC))


def _column(at: datetime) -> str:
    """The value in the form that the database's columns have."""
    return str(connection.ops.adapt_datetimefield_value(at))


def _starts(noted: Noted) -> dict[Span, datetime]:
    """When a request's hour, day and month begin. Requests that match no key are counted by hour only."""
    hour = datetime.fromtimestamp(noted.hour * HOUR_SECONDS, UTC)
    if noted.key_pk is None:
        return {Span.HOUR: hour}
    day = hour.replace(hour=0)
    return {Span.HOUR: hour, Span.DAY: day, Span.MONTH: day.replace(day=1)}


def _use_rows(batch: list[Noted]) -> list[dict[str, Any]]:
    """A row for each hour, day and month of the counts."""
    rows: dict[tuple[Any, ...], Noted] = {}
    for noted in batch:
        for span, start in _starts(noted).items():
            place = (noted.key_pk, span, start, noted.outcome)
            rows[place] = _merged(rows[place], noted) if place in rows else noted
    return [
        {
            "key_id": key_pk,
            "span": span,
            "starts_at": _column(start),
            "outcome": outcome,
            "calls": noted.calls,
            "last_at": _time(noted.last_at),
            "last_address": noted.last_address,
        }
        for (key_pk, span, start, outcome), noted in rows.items()
    ]


def _caller_rows(batch: list[Noted]) -> list[dict[str, Any]]:
    names = writing_callers.COLUMNS
    time = functools.cache(_time)  # many rows have the same day, and many addresses called once
    return [
        dict(zip(names, (key, span, time(start), address, allowed, rejected, time(first), time(last)), strict=True))
        for key, span, start, address, allowed, rejected, first, last in writing_callers.rows(batch)
    ]


def _merged(first: Noted, second: Noted) -> Noted:
    later = max(first, second, key=lambda noted: noted.last_at)
    return later._replace(calls=first.calls + second.calls)


def _key_rows(batch: list[Noted]) -> list[dict[str, Any]]:
    """The changes to each key's own row: its last use, and its rejections in its latest state."""
    used: dict[int, Noted] = {}
    refused: dict[int, Noted] = {}
    for noted in sorted(batch, key=lambda noted: noted.last_at):
        if noted.key_pk is None:
            continue
        if noted.outcome == LET_IN:
            used[noted.key_pk] = noted
        elif (before := refused.get(noted.key_pk)) and before.outcome == noted.outcome:
            refused[noted.key_pk] = _merged(before, noted)
        else:
            refused[noted.key_pk] = noted
    return [_key_row(pk, used.get(pk), refused.get(pk)) for pk in {noted.key_pk for noted in batch if noted.key_pk}]


def _key_row(pk: int, used: Noted | None, refused: Noted | None) -> dict[str, Any]:
    return {
        "key_id": pk,
        "used_at": _time(used and used.last_at),
        "used_address": used and used.last_address,
        "refused_as": refused and refused.outcome,
        "refused_calls": refused.calls if refused else 0,
        "refused_at": _time(refused and refused.last_at),
        "refused_address": refused and refused.last_address,
    }
