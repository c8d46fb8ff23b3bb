"""Bytes that no file owns.

They are written before their row and deleted after it, so that no file ever lacks them: a server that is killed in
between leaves them behind.
"""

import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from projects.models import File

# Longer than any upload takes: its bytes have no row yet.
AGE = timedelta(days=1)
_AT_ONCE = 500


class Stray(NamedTuple):
    name: str  # below MEDIA_ROOT, as a file's row would have it
    size: int


def strays(age: timedelta = AGE) -> list[Stray]:
    """What is older than `age` and has no row."""
    root, before = Path(settings.MEDIA_ROOT), time.time() - age.total_seconds()
    old = list(_older_than(before, root))
    found = []
    for start in range(0, len(old), _AT_ONCE):
        batch = old[start : start + _AT_ONCE]
        owned = set(File.objects.filter(blob__in=[stray.name for stray in batch]).values_list("blob", flat=True))
        found += [stray for stray in batch if stray.name not in owned]
    return found


def _older_than(before: float, root: Path) -> Iterator[Stray]:
    for path in sorted(root.rglob("*")):
        with suppress(FileNotFoundError):  # the server goes on deleting files meanwhile
            found = path.stat()
            if stat.S_ISREG(found.st_mode) and found.st_mtime < before:
                yield Stray(str(path.relative_to(root)), found.st_size)


def delete_strays(found: Iterable[Stray]) -> None:
    storage = File._meta.get_field("blob").storage
    for stray in found:
        storage.delete(stray.name)
