"""Which errors make an answer 503, and how the log tells why."""

import threading
import time
from typing import Any

import structlog
from django.db.utils import Error, InterfaceError, OperationalError

from common.encryption import CiphertextRefused
from common.key_ring import VaultUnavailable
from common.metrics import counts
from common.metrics.counts import Total

logger = structlog.get_logger(__name__)

OUTAGES: tuple[type[Exception], ...] = (OperationalError, InterfaceError, VaultUnavailable, CiphertextRefused)
try:
    from redis import RedisError  # an extra: the cache that CACHE_URL may name
except ImportError:
    pass
else:
    OUTAGES = (*OUTAGES, RedisError)

SECONDS_BETWEEN_LINES = 1.0
_lock = threading.Lock()
_last_lines: dict[str, float] = {}


def words(cause: object) -> str:
    """The cause on one line; the class of an exception that has no message."""
    return " ".join(str(cause).split()) or type(cause).__name__


def count(cause: object) -> None:
    """Counts an error of the database, for the metrics."""
    if isinstance(cause, Error):
        counts.add(Total.DATABASE_ERRORS)


def explain(cause: object) -> None:
    """The log line of the current request will tell why it was answered 503."""
    count(cause)
    structlog.contextvars.bind_contextvars(error=words(cause))


def log(event: str, cause: object, **facts: Any) -> None:
    """Logs an error, at most once a second for each event, because a gateway sends thousands of requests a second."""
    count(cause)
    now = time.monotonic()
    with _lock:
        if now - _last_lines.get(event, -SECONDS_BETWEEN_LINES) < SECONDS_BETWEEN_LINES:
            return
        _last_lines[event] = now
    logger.error(event, error=words(cause), **facts)
