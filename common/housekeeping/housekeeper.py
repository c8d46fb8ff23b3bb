"""The thread that does the housekeeping. Each process that serves pages has one; the holder of the claim works.

Each turn does the tasks that config/housekeeping.py lists, then waits for HOUSEKEEPING_SECONDS. A turn may be late by
minutes, for example after the holder was killed, so no instant of a key depends on it.

A task is a function of the time. It does a bounded piece of work, or returns an iterator that does one piece at each
step. A process may be killed at any step, and a process that was stopped for a while may work beside its successor, so
every change of a task is conditional.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import connection

from common import database_deadline, outages
from common.background import background_thread
from common.housekeeping import claiming
from common.housekeeping.models import DailyTask

logger = structlog.get_logger(__name__)

DAY = timedelta(days=1)
# How long a step may wait for the database, in all: longer than a request, because nobody waits for the answer.
SECONDS_A_STEP = 30.0
# How long the end of a process waits for the step at hand.
SECONDS_TO_WAIT = 5


class Task(NamedTuple):
    name: str
    work: Callable[[datetime], object]
    daily: bool = False


class _ClaimLost(Exception):
    """Another process has the claim, or this process is ending."""


_tasks: tuple[Task, ...] = ()
_thread: threading.Thread | None = None
_lock = threading.Lock()
_stopping = threading.Event()


def give(*tasks: Task) -> None:
    """Sets the tasks of each turn, in this order."""
    global _tasks
    _tasks = tasks


def start() -> None:
    """Starts the thread of this process, unless HOUSEKEEPING_SECONDS is 0 or the thread runs already."""
    global _thread
    if _thread is None and settings.HOUSEKEEPING_SECONDS:
        with _lock:
            if _thread is None:
                # If it cannot be started now, the next call tries again.
                _thread = background_thread.start(_run, stop=_stop)


def _run() -> None:
    holder = f"{socket.gethostname()[:60]}/{os.getpid()}/{secrets.token_hex(4)}"
    held = False
    while not _stopping.is_set():
        found = take_turn(holder)
        if found and not held:
            logger.info("housekeeping_taken_over", holder=holder)
        held = found
        _stopping.wait(settings.HOUSEKEEPING_SECONDS)
    if held:
        _give_back(holder)


def _give_back(holder: str) -> None:
    try:
        with database_deadline.Begun():
            claiming.give_back(holder)
    except Exception as error:  # the claim ends by itself
        outages.log("housekeeping_waits", error)
    finally:
        connection.close()


def take_turn(holder: str) -> bool:
    """Does every task that is due, if this process has the claim. Returns whether it had the claim to the end.

    A task that fails stops no other task, and is tried again at the next turn.
    """
    try:
        for task in _tasks:
            now = _hold(holder)
            try:
                _do(task, now, holder)
            except _ClaimLost:
                raise
            except outages.OUTAGES as error:
                connection.close()
                outages.log("housekeeping_failed", error, task=task.name)
            except Exception:
                connection.close()
                logger.exception("housekeeping_failed", task=task.name)
    except _ClaimLost:
        return False
    except Exception as error:  # the database is away; the thread goes on when it is back
        outages.log("housekeeping_waits", error)
        return False
    finally:
        connection.close()
    return True


def _hold(holder: str) -> datetime:
    with database_deadline.Begun():
        now = None if _stopping.is_set() else claiming.hold(holder)
    if now is None:
        raise _ClaimLost
    return now


def _do(task: Task, now: datetime, holder: str) -> None:
    with database_deadline.Begun():
        if task.daily and DailyTask.objects.filter(pk=task.name, finished_at__range=(now - DAY, now)).exists():
            return
    steps, renewed_at = _steps(task, now), time.monotonic()
    while _goes_on(steps):
        if _stopping.is_set():
            raise _ClaimLost
        if time.monotonic() - renewed_at > settings.HOUSEKEEPING_SECONDS / 2:
            renewed_at = time.monotonic()
            _hold(holder)
    if task.daily:
        with database_deadline.Begun():
            DailyTask.objects.update_or_create(pk=task.name, defaults={"finished_at": now})
        logger.info("housekeeping_done", task=task.name)


def _goes_on(steps: Iterator[object]) -> bool:
    """Does the next step; False if there was none."""
    with database_deadline.Begun(SECONDS_A_STEP):
        return any(True for _ in steps)


def _steps(task: Task, now: datetime) -> Iterator[object]:
    found = task.work(now)
    if isinstance(found, Iterator):
        yield from found


def _stop() -> None:
    """Lets the thread finish its step. The next holder does the rest."""
    _stopping.set()
    if _thread is not None:
        _thread.join(timeout=SECONDS_TO_WAIT)


def _begin_anew() -> None:
    """For a forked process: it lacks the parent's thread, which may hold the lock."""
    global _thread, _lock, _stopping
    _thread, _lock, _stopping = None, threading.Lock(), threading.Event()


os.register_at_fork(after_in_child=_begin_anew)
