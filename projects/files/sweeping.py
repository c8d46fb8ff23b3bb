"""Bytes that no file owns.

Bytes are written before their row and deleted after it, so that no row ever lacks its bytes. A server that is killed in
between leaves bytes without a row. A server that is killed during an upload leaves the part that arrived in
FILE_UPLOAD_TEMP_DIR.
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

# Longer than any upload goes without a byte, because an upload has no row yet.
AGE = timedelta(days=1)
_AT_ONCE = 500


class Stray(NamedTuple):
    root: Path
    name: str  # below `root`; below MEDIA_ROOT as a file's row would have it
    size: int


def strays(age: timedelta = AGE) -> list[Stray]:
    """The files that are older than `age` and have no row."""
    before = time.time() - age.total_seconds()
    # A complete upload leaves this folder, so no file in it ever has a row.
    return [*_without_row(before), *_older_than(before, Path(settings.FILE_UPLOAD_TEMP_DIR))]


def _without_row(before: float) -> list[Stray]:
    old = list(_older_than(before, Path(settings.MEDIA_ROOT)))
    found = []
    for start in range(0, len(old), _AT_ONCE):
        batch = old[start : start + _AT_ONCE]
        owned = set(File.objects.filter(blob__in=[stray.name for stray in batch]).values_list("blob", flat=True))
        found += [stray for stray in batch if stray.name not in owned]
    return found


def _older_than(before: float, root: Path) -> Iterator[Stray]:
    for path in sorted(root.rglob("*")):
        with suppress(FileNotFoundError):  # the server may delete files at the same time
            found = path.stat()
            if stat.S_ISREG(found.st_mode) and found.st_mtime < before:
                yield Stray(root, str(path.relative_to(root)), found.st_size)


def delete_strays(found: Iterable[Stray]) -> None:
    for stray in found:
        (stray.root / stray.name).unlink(missing_ok=True)
