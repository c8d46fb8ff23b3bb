"""Runs two groups of processes: the pages with the API, and the check. They start and end together."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, NoReturn

from common import installation
from config.serving import server

_STOPPING = {signal.SIGINT, signal.SIGTERM}
# A group that is still starting, or has just finished, ends by the signal itself.
_IN_ORDER = {0, -signal.SIGTERM, -signal.SIGINT}
SECONDS_OF_A_SIGNAL = 1


class Group(NamedTuple):
    """What one group runs: `name` is for the log, the rest are the arguments of config/serving/server.py."""

    name: str
    settings: str
    application: str
    host: str
    port: int
    workers: int
    threads: int
    niceness: int


def run(groups: Sequence[Group], when_started: Callable[[], object] = lambda: None) -> str | None:
    """Serves until SIGTERM or Ctrl+C, which end every group in order.

    Returns None, or a sentence about the group that ended by itself or with an error; the other group was then ended,
    too. The caller must have no threads and no open connections, because a group may be a fork. `when_started` may
    start threads.
    """
    running: dict[int, str] = {}
    is_asked = False

    def end_all() -> None:
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def ask(*_: object) -> None:
        nonlocal is_asked
        is_asked = True
        end_all()

    _start_all(groups, running, ask)
    when_started()

    failed: list[str] = []
    while running:
        pid, status = os.wait()
        if pid not in running:
            continue  # an orphan that the system gave us: in a container, we are process 1
        name, code = running.pop(pid), os.waitstatus_to_exitcode(status)
        _wait_for_signal(lambda: is_asked or bool(failed))
        if code not in _IN_ORDER or not (is_asked or failed):
            failed.append(f"{name} (exit code {code})")
            end_all()
    return f"Latchkey stopped, because these processes ended: {', '.join(failed)}." if failed else None


def _start_all(groups: Sequence[Group], running: dict[int, str], ask: Callable[..., None]) -> None:
    # A signal that arrives meanwhile has to find every group, and no group may handle it as the supervisor.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    running.update((_start(group), group.name) for group in groups)
    for number in _STOPPING:
        signal.signal(number, ask)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


def _wait_for_signal(has_come: Callable[[], bool]) -> None:
    """A signal to every process may reach a group first. Then the group ends before the supervisor knows."""
    deadline = time.monotonic() + SECONDS_OF_A_SIGNAL
    while not has_come() and time.monotonic() < deadline:
        time.sleep(0.02)


def _start(group: Group) -> int:
    """Returns the process id of the group's main process."""
    return os.fork() or _become(group)


def _become(group: Group) -> NoReturn:
    """Turns a fork into a group's main process. The pages' group goes on in the fork, which shares the loaded code. The
    check needs less code, so it starts as a program of its own.

    On macOS every group is a program of its own, because loaded system libraries may not work in a fork.
    """
    code = 1
    try:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        arguments = (*group[2:], os.getppid())
        if group.settings != os.environ["DJANGO_SETTINGS_MODULE"] or sys.platform == "darwin":
            _execute(group.settings, arguments)
        server.main(*arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _execute(settings: str, arguments: Sequence[object]) -> NoReturn:
    python_path = os.pathsep.join(filter(None, [str(installation.ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings, "PYTHONPATH": python_path}
    # -P: the folder in which somebody started us may have a package `config` of its own.
    command = [sys.executable, "-P", "-m", "config.serving.server", *map(str, arguments)]
    # The command is our own module and numbers that `serve` has checked.
    os.execve(sys.executable, command, environment)  # noqa: S606  # nosec B606
