"""Who may read the data folder: the server's own user, and a group if UMASK allows it.

The umask makes new files and folders private. An earlier release, or an operator's `mkdir`, may have left files that
everybody on the machine can read. Each start corrects them.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog

logger = structlog.get_logger(__name__)

_SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")
_FOLDERS = ("files", "uploads", "secrets", "static", "metrics")
_OTHERS = {"bench.json"}


def mend(data_dir: Path, database: Path | None, umask: int) -> None:
    """Removes the rights that `umask` forbids, and logs each change; a warning names a file that cannot be changed.

    `database` is the SQLite file. No file ever gets more rights than it has.
    """
    for path in _ours(data_dir, database):
        _mend(path, 0o077 if path.is_relative_to(data_dir / "secrets") else umask)
    _mend(data_dir, umask, may_change=not (_is_root() and _holds_more(data_dir, database)))


def _ours(data_dir: Path, database: Path | None) -> Iterator[Path]:
    yield from (data_dir / name for name in _FOLDERS)
    if (data_dir / "secrets").is_dir():
        yield from _sorted(data_dir / "secrets")
    if database is not None:
        yield from (database.with_name(database.name + suffix) for suffix in _SQLITE_SUFFIXES)


def _holds_more(data_dir: Path, database: Path | None) -> bool:
    """Whether the folder contains anything that is not Latchkey's: root must not close `/srv` to everybody else."""
    name = database.name if database is not None else "latchkey.sqlite3"
    ours = {*_FOLDERS, *_OTHERS, *(name + suffix for suffix in _SQLITE_SUFFIXES)}
    return any(path.name not in ours for path in _sorted(data_dir))


def _sorted(folder: Path) -> Iterable[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_root() -> bool:
    return os.geteuid() == 0


def _mend(path: Path, umask: int, *, may_change: bool = True) -> None:
    try:
        found = path.lstat()
    except OSError:
        return
    before = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode) or not before & umask:
        return
    after, facts = before & ~umask, {"path": str(path), "mode": f"{before:04o}", "wanted": f"{before & ~umask:04o}"}
    if may_change and (_is_root() or found.st_uid == os.geteuid()):
        try:
            path.chmod(after)
        except OSError as error:
            facts["cause"] = type(error).__name__
        else:
            logger.warning("mode_mended", **facts)
            return
    logger.warning("mode_too_open", **facts, next="chmod, see docs/running.md")
