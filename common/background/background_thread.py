"""What a process does beside its requests, in a thread of its own."""

import atexit
import multiprocessing.util
import threading
from collections.abc import Callable

import structlog

logger = structlog.get_logger(__name__)


def start(run: Callable[[], None], *, stop: Callable[[], None]) -> threading.Thread | None:
    """Runs `run` until the process ends, which calls `stop` then; None, and a line in the log, if it has no thread."""
    thread = threading.Thread(target=run, name=run.__name__, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        logger.exception("thread_not_started", name=thread.name)
        return None
    # A worker that multiprocessing started ends without atexit, but runs its finalizers.
    multiprocessing.util.Finalize(None, stop, exitpriority=10)
    atexit.register(stop)
    return thread
