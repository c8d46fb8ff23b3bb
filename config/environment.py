"""Reads the environment for settings.py, and refuses what is unsafe in production."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environs import Env

from config import local_secrets

env = Env()

PRODUCTION = env.str("ENV", "local") == "production"
DATA_DIR = Path(env.str("DATA_DIR", str(Path(__file__).resolve().parent.parent / "var"))).resolve()

_REQUIRED = ("SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "KEY_PEPPERS", "KEY_RING", "EMAIL_URL")


def given(name: str) -> str:
    """The variable `name`, or the content of the file that `name_FILE` points to, or ""."""
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error.strerror}.") from error
    return os.environ.get(name, "").strip()


def listed(name: str) -> list[str]:
    """The entries of a variable that separates them by commas, with or without spaces."""
    return [entry.strip() for entry in given(name).split(",") if entry.strip()]


def base_url() -> str:
    """Where people find this server, for links in mails: BASE_URL, else what HOST and PORT or ALLOWED_HOSTS say."""
    if address := given("BASE_URL"):
        return address.rstrip("/")
    if PRODUCTION:
        return f"https://{(listed('ALLOWED_HOSTS') or [''])[0].lstrip('.')}"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(given("HOST"), given("HOST") or "127.0.0.1")  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{given('PORT') or '8000'}"


def secret(name: str, file: str, make: Callable[[], str]) -> str:
    """A secret from the environment; a local server otherwise makes one in DATA_DIR/secrets."""
    value = given(name)
    if value or PRODUCTION:
        return value
    return local_secrets.read_or_create(DATA_DIR / "secrets" / file, make)


def shared_cache() -> dict[str, Any]:
    """The cache that CACHE_URL names, for Django's CACHES: Redis, or by default a table of the database.

    Raises ImproperlyConfigured for another kind, without repeating the address, which may hold a password.
    """
    url = given("CACHE_URL")
    if not url:
        return {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache",
            # The default of 300 would let whoever tries many addresses push the counters of their victim out.
            # Beyond it, the expired are removed first.
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    if not url.startswith(("redis://", "rediss://")):
        raise ImproperlyConfigured("CACHE_URL must be empty, or a redis:// or rediss:// address. See docs/running.md.")
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": "latchkey",
        "OPTIONS": _redis_options(),
    }


def _redis_options() -> dict[str, Any]:
    """By default a Redis that is away would be waited for without end.

    Once more, at once, is for a connection that its restart has broken.
    """
    try:
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise ImproperlyConfigured("CACHE_URL needs the package redis: uv sync --frozen --extra redis.") from error
    return {"socket_connect_timeout": 1, "socket_timeout": 1, "retry": Retry(NoBackoff(), 1)}


def refuse_unsafe_production() -> None:
    """Raises ImproperlyConfigured that names every variable that is missing or unsafe."""
    if env.str("ENV", "local") not in {"local", "production"}:
        raise ImproperlyConfigured("ENV must be 'local' or 'production'.")
    if not PRODUCTION:
        return
    problems = [f"{name} is missing" for name in _REQUIRED if not given(name)]
    if given("SECRET_KEY") and len(given("SECRET_KEY")) < 50:
        problems.append("SECRET_KEY is shorter than 50 characters")
    if "*" in listed("ALLOWED_HOSTS"):
        problems.append("ALLOWED_HOSTS contains '*'")
    if given("DATABASE_URL") and not given("DATABASE_URL").startswith(("postgres://", "postgresql://")):
        problems.append("DATABASE_URL is not a postgresql:// address")
    if given("BASE_URL") and not given("BASE_URL").startswith("https://"):
        problems.append("BASE_URL is not an https:// address")
    if env.float("MAIL_RETRY_SECONDS", 1) <= 0:
        problems.append("MAIL_RETRY_SECONDS is not above 0")
    if env.bool("DEBUG", False):
        problems.append("DEBUG is on")
    if problems:
        raise ImproperlyConfigured(f"ENV=production refuses to start: {'; '.join(problems)}. See docs/running.md.")
