"""The thread that writes the counts of a process that checks keys.

Owner: this module. A process starts the thread when it first counts something: a worker of the check, a worker of the
pages (the API checks keys, too), or a process of a project that embeds the check. A process that checks no key has no
thread. A fork begins without one.

Work: the jobs that apikeys/apps.py gives it. Each turn says that the process keeps rows, where it does
(`leases.registration.renew`), writes the counted requests to the database (`usage.counting.flush`), then shares the
failed keys with other processes through the cache (`verify.failed_keys.share`).

Turns: the first begins at once after a quiet time, each further one USAGE_FLUSH_SECONDS later. 0 means no thread.

End: a process that ends waits for the current turn as long as it makes progress, then writes the rest.
"""

import os
import threading
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import close_old_connections, connection

from common import database_deadline
from common.background import background_thread

logger = structlog.get_logger(__name__)

# How long the end of a process waits for a turn that makes no progress.
SECONDS_TO_WAIT = 5

# A job of a turn may return True: then it has more to do in the next turn, which comes also in a quiet time.
Job = Callable[[], object]

_each_turn: tuple[Job, ...] = ()
_at_the_end: tuple[Job, ...] = ()

_thread: threading.Thread | None = None
_progress = 0
_lock = threading.Lock()
_awake = threading.Event()
_stopping = threading.Event()


def give(*, each_turn: tuple[Job, ...], at_the_end: tuple[Job, ...]) -> None:
    """Sets the jobs of each turn, in this order, and the jobs of a process's end."""
    global _each_turn, _at_the_end
    _each_turn, _at_the_end = each_turn, at_the_end


def wake() -> None:
    """Tells the thread that there is something to write. It costs the check next to nothing."""
    if _thread is None and settings.USAGE_FLUSH_SECONDS:
        _start()
    if not _awake.is_set():
        _awake.set()


def note_progress() -> None:
    """A job calls this after each step, so that the end of the process waits for the next one."""
    global _progress
    _progress += 1


def _start() -> None:
    global _thread
    with _lock:
        if _thread is None:
            # If it cannot be started now, the next call tries again.
            _thread = background_thread.start(_run, stop=_stop)


def _run() -> None:
    while not _stopping.is_set():
        _awake.wait()
        _awake.clear()
        with database_deadline.Begun():
            _safely(close_old_connections)
        for job in _each_turn:
            _safely(job)
        _stopping.wait(settings.USAGE_FLUSH_SECONDS)
    connection.close()


def _safely(job: Job) -> None:
    try:
        if job() is True:
            _awake.set()
    except Exception:
        logger.exception("usage_writer_failed", job=job.__name__)


def _stop() -> None:
    _stopping.set()
    _awake.set()
    before = None
    while _thread is not None and _thread.is_alive() and _progress != before:
        before = _progress
        _thread.join(timeout=SECONDS_TO_WAIT)
    for job in _at_the_end:
        job()


def _begin_anew() -> None:
    """For a forked process: it lacks the parent's threads, and one of them may hold a lock."""
    global _thread, _lock, _awake, _stopping
    _thread, _lock, _awake, _stopping = None, threading.Lock(), threading.Event(), threading.Event()


os.register_at_fork(after_in_child=_begin_anew)
