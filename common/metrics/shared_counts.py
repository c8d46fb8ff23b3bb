"""The file in which the processes of one `manage.py serve` share their counts. Any of them can answer a scrape.

`serve` makes the file and names it in the environment, with the groups of processes that it runs. Each process takes a
place in the file, and a thread writes the process's counts there once a second. The place belongs to the process as
long as it holds a lock, which ends with the process. A process that replaces a dead one takes its place and goes on
with its counts, so that no count of the server ever falls.

Without METRICS_TOKEN, or without `serve`, there is no file and no thread.
"""

import fcntl
import json
import os
import tempfile
import threading
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Any

from common import outages
from common.background import background_thread
from common.metrics import counts

VARIABLE = "LATCHKEY_COUNTS_FILE"
GROUPS_VARIABLE = "LATCHKEY_GROUPS"
# A command that counts something. It is no worker of a server.
COMMAND = "command"
SECONDS = 1.0
# A process that has written nothing for so long does not work any more.
SECONDS_ALIVE = 10.0
# What a process writes has some 2 KB.
PLACE_BYTES = 16 * 1024
# Places beside those of the workers, for workers that start while those that they replace are ending.
SPARE_PLACES = 4
# The length of the text and its checksum: a reader may meet a text that is being written.
_HEAD = Struct("<II")
_TRIES = 5

Snapshot = dict[str, Any]
# The processes of a machine share this clock, and nobody can set it.
now = time.monotonic


class _Place:
    """This process's place in the file."""

    def __init__(self, file: int, number: int, group: str) -> None:
        self.file, self._at, self._group = file, number * PLACE_BYTES, group
        before = _read(file, number)
        self._before: counts.Counted = before["counted"] if before else {}
        self._lock = threading.Lock()

    def write(self) -> None:
        with self._lock:
            found = counts.snapshot()
            found["counted"] = counts.sum_of(self._before, found["counted"])
            text = json.dumps({**found, "group": self._group, "at": now()}).encode("ascii")
            if _HEAD.size + len(text) > PLACE_BYTES:
                raise OSError(f"The counts need {len(text):,} bytes.")
            os.pwrite(self.file, _HEAD.pack(len(text), zlib.crc32(text)) + text, self._at)


_place: _Place | None = None
_thread: threading.Thread | None = None
_stopping = threading.Event()


def make_file(folder: Path, groups: Mapping[str, int]) -> Path:
    """The file for a server with so many processes in each group. Files of servers that have ended are removed.

    The caller keeps the file's lock, which says that its server lives, until its process ends.
    """
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.counts"):
        _remove_if_unused(path)
    file, name = tempfile.mkstemp(dir=folder)
    os.truncate(file, (sum(groups.values()) + SPARE_PLACES) * PLACE_BYTES)
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, os.fstat(file).st_size)
    # Only now, with its lock, it has the name of files that another server might remove.
    path = Path(name).rename(f"{name}.counts")
    os.environ[VARIABLE], os.environ[GROUPS_VARIABLE] = str(path), " ".join(groups)
    return path


def groups() -> list[str]:
    """The groups that the server of this process runs; none if it is not `serve`, or has no metrics."""
    return os.environ.get(GROUPS_VARIABLE, "").split()


def begin_command(folder: Path) -> None:
    """Lets a command count in a server of this machine whose file is in the folder, because nobody scrapes commands."""
    if _place is None and not os.environ.get(VARIABLE):
        for path in filter(_is_used, sorted(folder.glob("*.counts"))):
            os.environ[VARIABLE] = str(path)
            begin(COMMAND)
            break


def _is_used(path: Path) -> bool:
    try:
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, os.fstat(file.fileno()).st_size)
    except BlockingIOError:
        return True
    except OSError:
        pass  # another user's
    return False


def _remove_if_unused(path: Path) -> None:
    with suppress(OSError), path.open("r+b") as file:  # its server lives, or is another user's
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def begin(group: str) -> None:
    """Takes a place for this process, one of the `group` of that name, and starts its thread."""
    global _place, _thread
    path = os.environ.get(VARIABLE)
    if not path or _place is not None:
        return
    try:
        file = os.open(path, os.O_RDWR)
    except OSError as error:
        outages.log("counts_not_shared", error, path=path)
        return
    for number in range(_places(file)):
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number * PLACE_BYTES)
        except OSError:
            continue
        _place = _Place(file, number, group)
        _thread = background_thread.start(_write_until_stopped, stop=_stop)
        return
    outages.log("counts_not_shared", "All places are taken.", path=path)


def _write_until_stopped() -> None:
    while not _stopping.is_set():
        write()
        _stopping.wait(SECONDS)


def write() -> None:
    """Writes this process's counts into its place, if it has one."""
    if _place is None:
        return
    try:
        _place.write()
    except OSError as error:
        outages.log("counts_not_written", error)


def _stop() -> None:
    _stopping.set()
    if _thread is not None:
        _thread.join(timeout=SECONDS)
    write()


def read_all() -> list[Snapshot]:
    """What every process of this server wrote, also processes that have ended; without a file, this process's own."""
    if _place is None:
        return [{**counts.snapshot(), "group": "", "at": now()}]
    write()
    return [found for number in range(_places(_place.file)) if (found := _read(_place.file, number))]


def is_alive(snapshot: Snapshot) -> bool:
    return bool(now() - snapshot["at"] < SECONDS_ALIVE)


def _places(file: int) -> int:
    return os.fstat(file).st_size // PLACE_BYTES


def _read(file: int, number: int) -> Snapshot | None:
    """None for a place that nobody has taken."""
    for _ in range(_TRIES):
        head = os.pread(file, PLACE_BYTES, number * PLACE_BYTES)
        length, checksum = _HEAD.unpack_from(head)
        text = head[_HEAD.size : _HEAD.size + length]
        if not length:
            return None
        if zlib.crc32(text) == checksum:
            found: Snapshot = json.loads(text)
            return found
        time.sleep(0.001)
    return None


def _begin_anew() -> None:
    """A forked process has neither the place nor the thread of its parent."""
    global _place, _thread, _stopping
    _place, _thread, _stopping = None, None, threading.Event()


os.register_at_fork(after_in_child=_begin_anew)
