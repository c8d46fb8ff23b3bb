"""The part of writing.py that adds the requests of each address: SQL for the same message, and the rows for it.

Whether a rejected request belongs to a rehearsal is decided here, because the check does not know it.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from apikeys.models import ApiKey
from apikeys.refusals import KEY_PAUSED, LET_IN
from apikeys.usage.caller_bounds import DAY_SECONDS, MOST_A_DAY, OTHERS, Callers, days_kept
from apikeys.usage.models import CallerSpan, KeyCaller
from projects.models import Project

COLUMNS = {"key_id": "bigint", "span": "text", "starts_at": "timestamptz", "address": "text", "allowed": "bigint"}
COLUMNS |= {"rejected": "bigint", "first_at": "timestamptz", "last_at": "timestamptz"}

_CALLERS = KeyCaller._meta.db_table

# A key's rehearsal is the pause that its row names, until the instant at which that pause ended or ends by itself. A
# batch belongs to it if one of its requests does: it may have waited while somebody pressed Keep paused. A request too
# many is better than a program that nobody hears of before the key is deleted.
_IN_THE_REHEARSAL = """k.rehearsal_began_at <= c.last_at AND (k.rehearsal_ended_at > c.first_at
    OR (k.rehearsal_ended_at IS NULL AND k.state = 'paused' AND k.resumes_at > c.first_at))"""

# Two more parts of the statement's WITH. A new address needs room among the key's addresses of that day or rehearsal.
CTES = f"""
called AS (
  SELECT c.key_id, c.span, CASE c.span WHEN 'day' THEN c.starts_at ELSE k.rehearsal_began_at END AS starts_at,
    c.address, sum(c.allowed) AS allowed, sum(c.rejected) AS rejected,
    min(c.first_at) AS first_at, max(c.last_at) AS last_at
  FROM callers c JOIN {ApiKey._meta.db_table} k ON k.id = c.key_id
    JOIN {Project._meta.db_table} p ON p.id = k.project_id
  WHERE p.deleted_at IS NULL AND (c.span = 'day' OR ({_IN_THE_REHEARSAL}))
  GROUP BY 1, 2, 3, 4
), placed AS (
  SELECT called.*, called.address = '{OTHERS}' OR stored.address IS NOT NULL AS has_a_row, row_number() OVER (
    PARTITION BY called.key_id, called.span, called.starts_at,
      called.address = '{OTHERS}' OR stored.address IS NOT NULL
    ORDER BY called.first_at, called.address
  ) AS place
  FROM called LEFT JOIN {_CALLERS} stored ON stored.key_id = called.key_id AND stored.span = called.span
    AND stored.starts_at = called.starts_at AND stored.address = called.address
)"""  # noqa: S608  the names are ours

COUNT = f"""
INSERT INTO {_CALLERS} AS u (key_id, span, starts_at, address, allowed, rejected, first_at, last_at)
SELECT p.key_id, p.span, p.starts_at,
  CASE WHEN p.has_a_row OR p.place + (
    SELECT count(*) FROM {_CALLERS} o
    WHERE o.key_id = p.key_id AND o.span = p.span AND o.starts_at = p.starts_at AND o.address <> '{OTHERS}'
  ) <= {MOST_A_DAY} THEN p.address ELSE '{OTHERS}' END AS kept_as,
  sum(p.allowed), sum(p.rejected), min(p.first_at), max(p.last_at)
FROM placed p GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (key_id, span, starts_at, address) DO UPDATE SET
  allowed = u.allowed + excluded.allowed,
  rejected = u.rejected + excluded.rejected,
  first_at = CASE WHEN excluded.first_at < u.first_at THEN excluded.first_at ELSE u.first_at END,
  last_at = CASE WHEN excluded.last_at > u.last_at THEN excluded.last_at ELSE u.last_at END
"""  # noqa: S608


class _Noted(Protocol):
    @property
    def key_pk(self) -> int | None: ...
    @property
    def outcome(self) -> str: ...
    @property
    def hour(self) -> int: ...
    @property
    def callers(self) -> Callers: ...


def rows(batch: Iterable[_Noted]) -> list[tuple[Any, ...]]:
    """The values of COLUMNS for each address of each count; instants are seconds since 1970.

    A row of a rehearsal has no beginning yet, because only the database knows it. Without addresses there are only
    these rows.
    """
    keeps, found = bool(days_kept()), []
    for noted in batch:
        day = noted.hour * 3600 // DAY_SECONDS * DAY_SECONDS
        for caller, (calls, first_at, last_at) in noted.callers.items():
            address = caller if keeps else OTHERS
            figures = (calls, 0) if noted.outcome == LET_IN else (0, calls)
            if keeps:
                found.append((noted.key_pk, CallerSpan.DAY, day, address, *figures, first_at, last_at))
            if noted.outcome == KEY_PAUSED.outcome:
                found.append((noted.key_pk, CallerSpan.REHEARSAL, None, address, *figures, first_at, last_at))
    return found
