"""The processes of a server: `manage.py serve`, its granian for the pages and its granian for the check, and their
workers.
"""

import os
import subprocess
from pathlib import Path

PAGES, CHECK = "config.wsgi.application", "config.check.application"


def children(pid: int) -> list[int]:
    """The processes that `pid` has started, without itself; empty if `pid` has ended."""
    try:
        return [
            int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()
        ]
    except FileNotFoundError:
        return []


def group(supervisor: int, application: str) -> int:
    """The process under `manage.py serve` whose workers serve `application`. The process for the pages is a fork of
    `manage.py serve`.
    """
    [pid] = [pid for pid in children(supervisor) if (CHECK in _command(pid)) == (application == CHECK)]
    return pid


def workers(supervisor: int, application: str) -> list[int]:
    return children(group(supervisor, application))


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ends a program in order; after so many seconds, its whole process session is killed."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
