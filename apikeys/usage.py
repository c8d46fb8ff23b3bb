"""When a key was last used, and from where.

The hot path notes it in memory; a thread writes it to the database about once a second, and once more
at shutdown. A process that is killed loses at most that second.
"""

import atexit
import multiprocessing.util
import threading
from datetime import datetime

import structlog
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, close_old_connections, connection, transaction

from apikeys.models import ApiKey

logger = structlog.get_logger(__name__)

_pending: dict[int, tuple[datetime, str | None]] = {}
_lock = threading.Lock()
_writer: threading.Thread | None = None
_stopping = threading.Event()

# Two processes may flush in either order; the later use wins.
_WRITE = f"""
UPDATE {ApiKey._meta.db_table} SET last_used_at = %s, last_used_address = %s
WHERE id = %s AND (last_used_at IS NULL OR last_used_at < %s)
"""  # noqa: S608  the names come from the models


def record(key_pk: int, at: datetime, address: str | None) -> None:
    """Notes a call that was let in. Costs a dictionary write; the database hears of it later."""
    with _lock:
        _pending[key_pk] = (at, address)
        if _writer is None and settings.USAGE_FLUSH_SECONDS:
            _start_writer()


def flush() -> None:
    """Writes what was noted. A database that is away loses nothing: the notes stay for the next time."""
    with _lock:
        batch = dict(_pending)
        _pending.clear()
    if not batch:
        return
    # Ordered by key, so that two processes never wait for each other's rows.
    rows = [
        (when := connection.ops.adapt_datetimefield_value(at), address, pk, when)
        for pk, (at, address) in sorted(batch.items())
    ]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(_WRITE, rows)
    except (OperationalError, InterfaceError):
        logger.warning("usage_not_written", keys=len(batch))
        with _lock:
            for pk, noted in batch.items():
                _pending.setdefault(pk, noted)
    except Error:
        # Not the server's state but the notes themselves: kept, they would stand in the way of all later ones.
        logger.exception("usage_dropped", keys=len(batch))


def _start_writer() -> None:
    global _writer
    _writer = threading.Thread(target=_write_until_stopped, name="usage-writer", daemon=True)
    _writer.start()
    # A worker that multiprocessing started ends without atexit, but runs its finalizers.
    multiprocessing.util.Finalize(None, _stop, exitpriority=10)
    atexit.register(_stop)


def _write_until_stopped() -> None:
    while not _stopping.wait(settings.USAGE_FLUSH_SECONDS):
        flush()
        close_old_connections()
    connection.close()


def _stop() -> None:
    _stopping.set()
    if _writer is not None:
        _writer.join(timeout=5)
    flush()
