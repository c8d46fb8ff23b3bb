"""Two groups of processes under one: the pages with the API, and the check. They live and end together."""

import os
import signal
import subprocess  # nosec B404
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# A group that is still starting, or has just finished, ends by the signal itself.
_IN_ORDER = {0, -signal.SIGTERM, -signal.SIGINT}
SECONDS_OF_A_SIGNAL = 1
_ROOT = Path(__file__).resolve().parent.parent


class Group(NamedTuple):
    """What runs in one group: `name` for the log, and what config/server.py takes."""

    name: str
    settings: str
    application: str
    host: str
    port: int
    workers: int
    threads: int
    niceness: int


def run(groups: Sequence[Group]) -> str | None:
    """Serves until SIGTERM or Ctrl+C, which end every group in order.

    Returns None, or a sentence about the group that ended by itself or with an error; the others were ended then, too.
    """
    asked, stop = threading.Event(), threading.Event()

    def ask(*_: object) -> None:
        asked.set()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    processes = {group.name: _start(group) for group in groups}
    for process in processes.values():
        threading.Thread(target=_set_after, args=(process, stop), daemon=True).start()
    stop.wait()
    # A signal to every process may reach a group first, which then ends.
    asked.wait(SECONDS_OF_A_SIGNAL)
    ended = {name for name, process in processes.items() if process.poll() is not None and not asked.is_set()}
    for process in processes.values():
        process.terminate()
    codes = {name: process.wait() for name, process in processes.items()}
    failed = [f"{name} (exit code {code})" for name, code in codes.items() if name in ended or code not in _IN_ORDER]
    return f"Latchkey stopped, because these processes ended: {', '.join(failed)}." if failed else None


def _start(group: Group) -> subprocess.Popen[bytes]:
    _, settings, *arguments = group
    python_path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    # THREADS: settings.py derives other limits from it, and `serve --threads` may say another number.
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": settings,
        "PYTHONPATH": python_path,
        "THREADS": str(group.threads),
    }
    command = [sys.executable, "-m", "config.server", *map(str, arguments), str(os.getpid())]
    # Our own module, and numbers that serve has checked.
    return subprocess.Popen(command, env=environment)  # noqa: S603  # nosec B603


def _set_after(process: subprocess.Popen[bytes], stop: threading.Event) -> None:
    process.wait()
    stop.set()
