"""What makes an answer 503, and how the log says why."""

import threading
import time
from typing import Any

import structlog
from django.db.utils import InterfaceError, OperationalError

from common.encryption import CiphertextRefused
from common.key_ring import VaultUnavailable

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
    """The cause on one line; an exception without words is named."""
    return " ".join(str(cause).split()) or type(cause).__name__


def explain(cause: object) -> None:
    """The line of the request at hand will say why it was answered 503."""
    structlog.contextvars.bind_contextvars(error=words(cause))


def log(event: str, cause: object, **facts: Any) -> None:
    """An error in the log, at most one a second of each event: a gateway asks thousands of times a second."""
    now = time.monotonic()
    with _lock:
        if now - _last_lines.get(event, -SECONDS_BETWEEN_LINES) < SECONDS_BETWEEN_LINES:
            return
        _last_lines[event] = now
    logger.error(event, error=words(cause), **facts)
