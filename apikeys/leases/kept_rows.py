"""The rows that this process may judge again. Only rows of keys that were let in are kept, each for LEASE_SECONDS.

A row is kept only if its key was looked up a moment before, too: keys that are not asked for twice in a lease cost
nothing. There are two generations: the entries of the current LEASE_SECONDS, and those of the ones before. So an entry
is forgotten without being looked for.
"""

import os
from typing import Any

from django.conf import settings

from apikeys.leases.clocks import LEASE_SECONDS, now

# The default for projects that embed only the check (docs/django.md).
DEFAULT_ROWS = 10_000

# By digest: the row, and the end of its lease.
Entry = tuple[Any, float]
_LOOKED_UP: Entry = (None, 0.0)

_entries: dict[bytes, Entry] = {}
_earlier: dict[bytes, Entry] = {}
_current_until = 0.0
_most = 0


def find(digest: bytes) -> Any | None:
    """The row that was kept under the digest; None if there is none or its lease is over."""
    entry = _entries.get(digest) or _earlier.get(digest)
    return entry[0] if entry is not None and now() < entry[1] else None


def keep(digest: bytes, row: Any, asked_at: float) -> None:
    """Keeps a row whose lookup was sent after `asked_at`, by `clocks.now`, if it is the second one of late. The process
    has to be registered since.

    Threads may meet here. Then an entry is forgotten early, which costs a lookup.
    """
    if asked_at >= _current_until:
        _begin_generation(asked_at)
    is_known = digest in _entries
    if is_known or len(_entries) < _most:
        _entries[digest] = (row, asked_at + LEASE_SECONDS) if is_known or digest in _earlier else _LOOKED_UP


def _begin_generation(at: float) -> None:
    global _entries, _earlier, _current_until, _most
    _most = int(getattr(settings, "LEASED_ROWS", DEFAULT_ROWS)) // 2
    _entries, _earlier, _current_until = {}, _entries, at + LEASE_SECONDS


def number() -> int:
    """How many rows are kept whose lease may not be over. Rows stay in memory until others replace them."""
    if now() >= _current_until + LEASE_SECONDS:
        return 0
    entries = [*_entries.values(), *_earlier.values()]
    return sum(entry is not _LOOKED_UP for entry in entries)


def forget_all() -> None:
    global _entries, _earlier, _current_until
    _entries, _earlier, _current_until = {}, {}, 0.0


os.register_at_fork(after_in_child=forget_all)
