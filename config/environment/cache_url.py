"""CACHE_URL: the cache in which all processes count together, Redis or by default a table of the database."""

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from common.whole_numbers import read_whole
from config.environment.variables import unreadable

NAME = "CACHE_URL"
# The values of 1 are pickles, which the previous release reads and writes while both releases are running.
_VERSION = 2
_MOST_DATABASE = 2**31 - 1


def parse(url: str) -> dict[str, Any]:
    """Django's CACHES entry; "" is the database's table.

    Raises ImproperlyConfigured for another kind or an address that cannot be read, without repeating it: it may hold a
    password.
    """
    if not url:
        return {
            "BACKEND": "common.json_cache.DatabaseCache",
            "LOCATION": "cache",
            "VERSION": _VERSION,
            # Beyond it, expired rows are deleted. If none has expired, a new limit cannot be counted, and what it
            # limits is refused.
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    if not url.startswith(("redis://", "rediss://")):
        raise ImproperlyConfigured("CACHE_URL must be empty, or a redis:// or rediss:// address. See docs/settings.md.")
    return {
        "BACKEND": "common.json_cache.RedisCache",
        "LOCATION": url,
        "VERSION": _VERSION,
        "KEY_PREFIX": "latchkey",
        "OPTIONS": _redis_options(url),
    }


def _redis_options(url: str) -> dict[str, Any]:
    """By default a Redis that is away would be waited for without end.

    Once more, at once, is for a connection that its restart has broken.
    """
    try:
        from redis import ConnectionPool, RedisError
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise ImproperlyConfigured("CACHE_URL needs the package redis: uv sync --frozen --extra redis.") from error
    try:
        parts = urlsplit(url)
        # redis-py takes a path that is no number for database 0.
        if set(parts.hostname or "") & set(" \"'") or read_whole(f"0{parts.path.strip('/')}", _MOST_DATABASE) is None:
            raise ValueError
        # Connects to nothing yet.
        ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError, RedisError):
        raise unreadable(NAME) from None
    return {"socket_connect_timeout": 1, "socket_timeout": 1, "retry": Retry(NoBackoff(), 1)}
