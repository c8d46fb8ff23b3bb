"""The processes of a server: `manage.py serve`, then granian for the pages and for the check, then their workers."""

from pathlib import Path

PAGES, CHECK = "config.wsgi.application", "config.check.application"


def children(pid: int) -> list[int]:
    """The processes that `pid` has started, itself not among them; none if it has ended."""
    try:
        return [
            int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()
        ]
    except FileNotFoundError:
        return []


def group(supervisor: int, application: str) -> int:
    """The process under `manage.py serve` whose workers serve `application`. The pages' is a fork of that one."""
    [pid] = [pid for pid in children(supervisor) if (CHECK in _command(pid)) == (application == CHECK)]
    return pid


def workers(supervisor: int, application: str) -> list[int]:
    return children(group(supervisor, application))


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
