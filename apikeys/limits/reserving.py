"""Reserves blocks of a limit in the database: one statement, which decides by the database's clock.

A block is a sixteenth of what is left, and at least what the request costs (guided self-scheduling, Polychronopoulos
and Kuck, 1987): few writes while much is left, and little stranded at the end. A window never goes back: if the
database's clock steps back, the newest window counts on, and no budget is given twice.
"""

import functools
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import F

from apikeys.bounds.restrictions import Window
from apikeys.limits.models import Budget

SECONDS = {Window.SECOND: 1, Window.MINUTE: 60, Window.HOUR: 3600, Window.DAY: 86_400}
_SHARE = 16

_POSTGRESQL = {
    "now": "extract(epoch FROM statement_timestamp())::float8",
    "whole": "floor(extract(epoch FROM statement_timestamp()))::bigint",
    "month": "extract(epoch FROM date_trunc('month', statement_timestamp() AT TIME ZONE 'UTC'))::bigint",
    "largest": "greatest",
}
_SQLITE = {
    "now": "((julianday('now') - 2440587.5) * 86400.0)",
    "whole": "CAST(strftime('%%s', 'now') AS bigint)",
    "month": "CAST(strftime('%%s', 'now', 'start of month') AS bigint)",
    "largest": "max",
}
_COST, _AMOUNT = "CAST(%(cost)s AS bigint)", "CAST(%(amount)s AS bigint)"


class Reserved(NamedTuple):
    """What a reservation got: `block`, 0 if the request's cost no longer fits.

    `starts` is the window's first second since 1970, `seconds` what is left of it, `left` what anybody can still
    reserve.
    """

    block: int
    starts: int
    seconds: float
    left: int


def reserve(name: str, amount: int, window: Window, cost: int, *, exactly: bool = False) -> Reserved:
    """Reserves a block of at least `cost`, or of exactly that. `cost` is at most `amount`.

    Raises Django's database errors.
    """
    with connection.cursor() as cursor:
        cursor.execute(_sql(connection.vendor, window, exactly), {"name": name, "amount": amount, "cost": cost})
        starts, used, block, now = cursor.fetchone()
    return Reserved(block, starts, ends_of(starts, window) - now, max(0, amount - used))


@functools.cache
def _sql(vendor: str, window: Window, exactly: bool) -> str:
    words = _POSTGRESQL if vendor == "postgresql" else _SQLITE
    whole = words["whole"]
    starts = words["month"] if window == Window.MONTH else f"{whole} / {SECONDS[window]} * {SECONDS[window]}"

    def block(left: str) -> str:
        return _COST if exactly else f"{words['largest']}({_COST}, ({left}) / {_SHARE})"

    granted = f"CASE WHEN b.used + {_COST} <= {_AMOUNT} THEN {block(f'{_AMOUNT} - b.used')} ELSE 0 END"
    begins = "excluded.starts > b.starts"
    return f"""
INSERT INTO {Budget._meta.db_table} AS b (name, starts, used, block, amount)
VALUES (%(name)s, {starts}, {block(_AMOUNT)}, {block(_AMOUNT)}, {_AMOUNT})
ON CONFLICT (name) DO UPDATE SET
  used = CASE WHEN {begins} THEN excluded.used ELSE b.used + {granted} END,
  block = CASE WHEN {begins} THEN excluded.block ELSE {granted} END,
  starts = CASE WHEN {begins} THEN excluded.starts ELSE b.starts END,
  amount = excluded.amount
RETURNING starts, used, block, {words["now"]}
"""  # noqa: S608  names and numbers are ours


def give_back(name: str, starts: int, number: int) -> None:
    """Gives back what was reserved and not used, if its window is still the newest. Raises Django's database errors."""
    Budget.objects.filter(name=name, starts=starts, used__gte=number).update(used=F("used") - number)


def starts_of(now: datetime, window: Window) -> int:
    """The first second of the window that contains `now`."""
    if window != Window.MONTH:
        return int(now.timestamp()) // SECONDS[window] * SECONDS[window]
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(month.timestamp())


def ends_of(starts: int, window: Window) -> int:
    """The second at which the window that starts there ends."""
    if window != Window.MONTH:
        return starts + SECONDS[window]
    first = datetime.fromtimestamp(starts, UTC)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(following.timestamp())
