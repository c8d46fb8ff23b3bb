"""One group of processes: granian and its workers, which serve one WSGI application on one port.

`manage.py serve` starts two groups (config/serving/supervisor.py), each as

    python -m config.serving.server APPLICATION HOST PORT WORKERS THREADS NICENESS SUPERVISOR PIPE

SUPERVISOR is the process id of the process that starts the group. Its SIGTERM finishes the running requests, then ends
the group. PIPE says before that the server is about to stop (config/serving/shutdown.py). NICENESS is the system's
measure of how much others go first when processors are short (nice(2)).
"""

import gc
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from django.utils.module_loading import import_string
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from config.serving import shutdown

# Longer than the database's limits allow a request to take, and shorter than most supervisors wait.
DRAIN_SECONDS = 25
# The most bytes of a request's first line and headers together, roughly; a longer head is answered 431. Browsers and
# proxies send a fraction of it.
HEADER_BYTES = 64 * 1024
# Open connections of each worker, with idle ones. granian accepts no connection beyond them (docs/scaling.md).
CONNECTIONS = 10_000
# Room for a worker's own files and its connections to the database.
OTHER_FILES = 100
_STOPPING = {signal.SIGINT, signal.SIGTERM}


def main(
    application: str, host: str, port: int, workers: int, threads: int, niceness: int, supervisor: int, pipe: int
) -> None:
    os.nice(niceness)
    shutdown.watch(pipe)
    # Ctrl+C and the signals of service managers also reach the supervisor, which sends SIGTERM when it is time.
    _leave_signals_to_a_thread(lambda number, sender: sender in {supervisor, os.getpid()})
    threading.Thread(target=_end_after, args=(supervisor,), name="_end_after", daemon=True).start()
    # The workers are forks of this process and share its memory. A failure to load the application ends this process at
    # once.
    _load_for_good(application)
    server: Any = Server(
        application,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(max_buffer_size=HEADER_BYTES),
        websockets=False,
        workers=workers,
        blocking_threads=threads,
        # granian's own default is 1,024 connections for all workers together: as many idle connections would stop the
        # server.
        backpressure=min(CONNECTIONS, _allow_open_files() - OTHER_FILES),
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_SECONDS,
        # granian's warnings advise fewer threads than two cores need while threads wait for the database.
        log_level=LogLevels.error,
    )
    server.serve(target_loader=_load)


def _load_for_good(application: str) -> None:
    """Loads the application for the life of the process. Collecting garbage meanwhile would take a seventh of the time
    and find none.

    Later collections ignore these objects, so that workers do not copy the memory that they share.
    """
    gc.disable()
    import_string(application)
    gc.freeze()
    gc.enable()


def _allow_open_files() -> int:
    """Raises this process's limit of open files as far as the system allows, and returns the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return CONNECTIONS + OTHER_FILES if most == resource.RLIM_INFINITY else most


def _load(target: str) -> Any:
    """The application, in a worker that ends in order: at its main process's signal, or when its main process was
    killed.
    """
    parent = multiprocessing.parent_process()
    main = parent.pid if parent else None
    # Ctrl+C and supervisors signal every process. If a worker ended by such a signal, its main process, which has not
    # received its own signal yet, would take the worker for dead.
    _leave_signals_to_a_thread(lambda number, sender: sender in {main, os.getpid()})
    threading.Thread(target=_end_after, args=(main,), name="_end_after", daemon=True).start()
    application = import_string(target)
    getattr(sys.modules[target.rpartition(".")[0]], "begin_worker", lambda: None)()
    return application


def _leave_signals_to_a_thread(is_meant: Callable[[int, int], bool]) -> None:
    """Ends this process in order at the first signal that `is_meant` accepts, given its number and its sender.

    Signals stay blocked in all threads: a second one would hang granian. Its handlers set events, and a handler that
    interrupts the wait for the same event waits for itself.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    loading = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=_end_at_signal, args=(is_meant, loading), name="_end_at_signal", daemon=True).start()


def _end_at_signal(is_meant: Callable[[int, int], bool], handler_while_loading: Any) -> None:
    while not is_meant(*_next_signal()):
        pass
    handler: Any = signal.getsignal(signal.SIGTERM)
    if handler is handler_while_loading:
        os._exit(0)
    handler(signal.SIGTERM, None)


def _next_signal() -> tuple[int, int]:
    """Waits for a stop signal, and returns it with its sender. On macOS the sender is always this process."""
    if hasattr(signal, "sigwaitinfo"):
        found = signal.sigwaitinfo(_STOPPING)
        return found.si_signo, found.si_pid
    return signal.sigwait(_STOPPING), os.getpid()


def _end_after(parent: int | None) -> None:
    """Ends this process when its parent has ended. Otherwise it would keep serving the port, beside a server that was
    started anew.
    """
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    name, address, *numbers = sys.argv[1:]
    main(name, address, *(int(number) for number in numbers))
