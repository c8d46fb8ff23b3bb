"""The rows that this process may judge again. Only rows of keys that were let in are kept, each for LEASE_SECONDS.

There are two generations: the rows of the current LEASE_SECONDS, and those of the ones before. So a row is forgotten
without being looked for.
"""

import os
from typing import Any

from django.conf import settings

from apikeys.leases.clocks import LEASE_SECONDS, now

# The default for projects that embed only the check (docs/django.md).
DEFAULT_ROWS = 10_000

# By digest: the row, and the end of its lease.
_rows: dict[bytes, tuple[Any, float]] = {}
_earlier: dict[bytes, tuple[Any, float]] = {}
_current_until = 0.0


def find(digest: bytes) -> Any | None:
    """The row that was kept under the digest; None if there is none or its lease is over."""
    kept = _rows.get(digest) or _earlier.get(digest)
    return kept[0] if kept is not None and now() < kept[1] else None


def keep(digest: bytes, row: Any, asked_at: float) -> None:
    """Keeps a row whose lookup was sent after `asked_at`, by `clocks.now`. The process has to be registered since.

    Threads may meet here. Then a row is forgotten early, which costs a lookup.
    """
    global _rows, _earlier, _current_until
    if asked_at >= _current_until:
        _rows, _earlier, _current_until = {}, _rows, asked_at + LEASE_SECONDS
    if len(_rows) < _most() // 2:
        _rows[digest] = row, asked_at + LEASE_SECONDS


def number() -> int:
    """How many rows are kept, at most two leases old."""
    return len(_rows) + len(_earlier)


def number_in_force() -> int:
    """How many rows are kept whose lease may not be over. Rows stay in memory until others replace them."""
    return 0 if now() >= _current_until + LEASE_SECONDS else number()


def forget_all() -> None:
    global _rows, _earlier, _current_until
    _rows, _earlier, _current_until = {}, {}, 0.0


def _most() -> int:
    return int(getattr(settings, "LEASED_ROWS", DEFAULT_ROWS))


os.register_at_fork(after_in_child=forget_all)
