"""Runs two groups of processes: the pages with the API, and the check. They start and end together."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, NoReturn

from common import installation
from config.serving import server, shutdown

_STOPPING = {signal.SIGINT, signal.SIGTERM}
_WATCHED = {*_STOPPING, signal.SIGALRM, signal.SIGCHLD}
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


class _Running:
    """The groups that run, by the process id of their main process, and how they are ended."""

    def __init__(self, delay: int) -> None:
        self.names: dict[int, str] = {}
        self.is_asked = False
        self._delay = delay
        self.pipe, self._own_end = shutdown.open_pipe()

    def start(self, groups: Sequence[Group]) -> None:
        # The signals are taken one after the other, by sigwait. A handler could run just before a call that waits, and
        # what it has done would be noticed too late.
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # where nobody handles it, some systems drop it
        self.names.update((os.fork() or self._become(group), group.name) for group in groups)
        os.close(self.pipe)
        # Orphans that ended before are collected at once: their signals came when nobody waited for them.
        os.kill(os.getpid(), signal.SIGCHLD)

    def _become(self, group: Group) -> NoReturn:
        os.close(self._own_end)
        _become(group, self.pipe)

    def ask(self, number: int) -> None:
        """SIGTERM leaves load balancers the time to notice. Ctrl+C does not: a person waits."""
        is_first, self.is_asked = not self.is_asked, True
        if is_first:
            os.close(self._own_end)
        if number == signal.SIGINT or not self._delay:
            self.end()
        elif is_first:
            signal.alarm(self._delay)

    def end(self) -> None:
        """Again each second: a signal that comes while another sender's is pending is lost, and groups believe ours."""
        for pid in self.names:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        signal.alarm(1)


def run(groups: Sequence[Group], when_started: Callable[[], object] = lambda: None, *, delay: int = 0) -> str | None:
    """Serves until SIGTERM or Ctrl+C, which end every group in order. After SIGTERM, the groups go on for `delay`
    seconds, in which they are not ready.

    Returns None, or a sentence about the group that ended by itself or with an error; the other group was then ended,
    too. The caller must have no threads and no open connections, because a group may be a fork. `when_started` may
    start threads.
    """
    running = _Running(delay)
    running.start(groups)
    when_started()

    failed: list[str] = []
    while running.names:
        number = signal.sigwait(_WATCHED)
        if number == signal.SIGALRM:
            running.end()
        elif number in _STOPPING:
            running.ask(number)
        for pid, code in _ended():
            # In a container, we are process 1, and the system gives us orphans.
            name = running.names.pop(pid, None)
            if name and (code not in _IN_ORDER or not (running.is_asked or failed or _is_being_asked())):
                failed.append(f"{name} (exit code {code})")
                running.end()
    signal.alarm(0)
    return f"Latchkey stopped, because these processes ended: {', '.join(failed)}." if failed else None


def _ended() -> Iterator[tuple[int, int]]:
    """The processes that have ended, with their exit codes."""
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found[0], os.waitstatus_to_exitcode(found[1])


def _is_being_asked() -> bool:
    """A signal to every process may reach a group first. Then the group ends before the supervisor knows."""
    deadline = time.monotonic() + SECONDS_OF_A_SIGNAL
    while not (is_pending := bool(signal.sigpending() & _STOPPING)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_pending


def _become(group: Group, pipe: int) -> NoReturn:
    """Turns a fork into a group's main process. The pages' group goes on in the fork, which shares the loaded code. The
    check needs less code, so it starts as a program of its own.

    On macOS every group is a program of its own, because loaded system libraries may not work in a fork.
    """
    code = 1
    try:
        for number in _WATCHED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        arguments = (*group[2:], os.getppid(), pipe)
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
