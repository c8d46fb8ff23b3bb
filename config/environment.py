"""Reads the environment for settings.py, and refuses what is unsafe in production."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Both come with environs, whose own methods for them name another variable and show what the address held.
import dj_database_url
import dj_email_url  # type: ignore[import-untyped]
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvValidationError, ValidationError, validate

from config import local_secrets

env = Env()

PRODUCTION = env.str("ENV", "local") == "production"
DATA_DIR = Path(env.str("DATA_DIR", str(Path(__file__).resolve().parent.parent / "var"))).resolve()

_REQUIRED = ("SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "KEY_PEPPERS", "KEY_RING", "EMAIL_URL")
_SENDS_MAIL = "django.core.mail.backends.smtp.EmailBackend"
# The values of 1 are pickles, which the previous release reads and writes while both releases are running.
_CACHE_VERSION = 2
_LONGEST_SECONDS = 24 * 60 * 60  # threads cannot wait for just any number


def given(name: str) -> str:
    """The variable `name`, or the content of the file that `name_FILE` points to, or ""."""
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error.strerror}.") from error
        except UnicodeDecodeError:
            raise ImproperlyConfigured(f"{name}_FILE: {path} is no text.") from None
    return os.environ.get(name, "").strip()


def listed(name: str) -> list[str]:
    """The entries of a variable that separates them by commas, with or without spaces."""
    return [entry.strip() for entry in given(name).split(",") if entry.strip()]


def whole_number(name: str, default: int, *, least: int) -> int:
    """Raises ImproperlyConfigured below `least`."""
    return int(_within(env.int, name, default, min=least))


def seconds(name: str, default: float) -> float:
    """Raises ImproperlyConfigured below 0 and above a day; in production also for 0, which switches off what waits."""
    return float(_within(env.float, name, default, min=0, min_inclusive=not PRODUCTION, max=_LONGEST_SECONDS))


def _within(read: Callable[..., Any], name: str, default: float, **bounds: Any) -> Any:
    try:
        return read(name, default, validate=validate.Range(**bounds))
    except EnvValidationError as error:
        raise ImproperlyConfigured(f"{name}: {' '.join(error.error_messages)} See docs/running.md.") from None


def umask() -> int:
    """What new files and folders withhold from others. Raises ImproperlyConfigured for what lets everybody read."""
    text = given("UMASK") or "077"
    if text not in {"077", "027", "007"}:
        raise ImproperlyConfigured("UMASK must be 077, 027 or 007. See docs/running.md.")
    return int(text, 8)


def threads() -> int:
    """How many requests each process works on at once; `serve` itself refuses a THREADS that it cannot use."""
    text = given("THREADS")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 and int(text) else 8


def web_address(name: str) -> str:
    """The http:// or https:// address in the variable `name`, or "". Raises ImproperlyConfigured for another."""
    address = given(name)
    if address and not _is_web_address(address, {"http", "https"}):
        raise ImproperlyConfigured(f"{name} is not an http:// or https:// address with a host. See docs/running.md.")
    return address.rstrip("/")


def _is_web_address(text: str, schemes: set[str]) -> bool:
    try:
        validate.URL(schemes=schemes, require_tld=False)(text)
    except ValidationError:
        return False
    return True


def base_url() -> str:
    """Where people find this server, for links in mails: BASE_URL, else what HOST and PORT or ALLOWED_HOSTS say."""
    if address := web_address("BASE_URL"):
        return address
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


def database() -> dict[str, Any]:
    """The database that DATABASE_URL names, for Django's DATABASES; by default an SQLite file in DATA_DIR.

    Raises ImproperlyConfigured for an address that cannot be read.
    """
    url = given("DATABASE_URL") or f"sqlite:///{DATA_DIR}/latchkey.sqlite3"
    try:
        return dict(dj_database_url.parse(url, conn_max_age=60))
    except ValueError:
        raise _unreadable("DATABASE_URL") from None


def mail() -> dict[str, Any]:
    """Django's EMAIL_ settings from EMAIL_URL; by default mails are shown on standard error.

    Raises ImproperlyConfigured for an address that cannot be read, of an unknown scheme too, or without a server.
    """
    if not given("EMAIL_URL"):
        return {"EMAIL_BACKEND": "config.local_mail.EmailBackend"}
    try:
        found: dict[str, Any] = dj_email_url.parse(given("EMAIL_URL"))
    except ValueError:
        raise _unreadable("EMAIL_URL") from None
    is_whole = found["EMAIL_HOST"] or found.get("EMAIL_BACKEND") != _SENDS_MAIL
    if "EMAIL_BACKEND" not in found or not is_whole or (found["EMAIL_TIMEOUT"] or 0) < 0:
        raise _unreadable("EMAIL_URL")
    return found


def _unreadable(name: str) -> ImproperlyConfigured:
    """Not with what was found, which may hold a password."""
    return ImproperlyConfigured(
        f"{name} cannot be read. Write it as docs/running.md says; in a name or password, / : @ ? # [ ] and % have to "
        "be percent-encoded, as %2F for /."
    )


def shared_cache() -> dict[str, Any]:
    """The cache that CACHE_URL names, for Django's CACHES: Redis, or by default a table of the database.

    Raises ImproperlyConfigured for another kind or an address that cannot be read, without repeating it: it may hold a
    password.
    """
    url = given("CACHE_URL")
    if not url:
        return {
            "BACKEND": "common.json_cache.DatabaseCache",
            "LOCATION": "cache",
            "VERSION": _CACHE_VERSION,
            # Beyond it, expired rows are deleted. If none has expired, a new limit cannot be counted, and what it
            # limits is refused.
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    if not url.startswith(("redis://", "rediss://")):
        raise ImproperlyConfigured("CACHE_URL must be empty, or a redis:// or rediss:// address. See docs/running.md.")
    return {
        "BACKEND": "common.json_cache.RedisCache",
        "LOCATION": url,
        "VERSION": _CACHE_VERSION,
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
        # Connects to nothing yet.
        ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError, RedisError):
        raise _unreadable("CACHE_URL") from None
    return {"socket_connect_timeout": 1, "socket_timeout": 1, "retry": Retry(NoBackoff(), 1)}


def _secret_key_problems(key: str, fallbacks: list[str]) -> list[str]:
    problems = []
    if key and len(key) < 50:
        problems.append("SECRET_KEY is shorter than 50 characters")
    if any(len(fallback) < 50 for fallback in fallbacks):
        problems.append("SECRET_KEY_FALLBACKS has an entry that is shorter than 50 characters")
    if key in fallbacks:
        problems.append("SECRET_KEY_FALLBACKS contains SECRET_KEY itself")
    return problems


def refuse_unsafe_production() -> None:
    """Raises ImproperlyConfigured that names every variable that is missing or unsafe."""
    if env.str("ENV", "local") not in {"local", "production"}:
        raise ImproperlyConfigured("ENV must be 'local' or 'production'.")
    if not PRODUCTION:
        return
    problems = [f"{name} is missing" for name in _REQUIRED if not given(name)]
    problems += _secret_key_problems(given("SECRET_KEY"), listed("SECRET_KEY_FALLBACKS"))
    if "*" in listed("ALLOWED_HOSTS"):
        problems.append("ALLOWED_HOSTS contains '*'")
    if given("DATABASE_URL") and not given("DATABASE_URL").startswith(("postgres://", "postgresql://")):
        problems.append("DATABASE_URL is not a postgresql:// address")
    if given("BASE_URL") and not _is_web_address(given("BASE_URL"), {"https"}):
        problems.append("BASE_URL is not an https:// address with a host")
    scheme = given("EMAIL_URL").partition("://")[0].lower()
    if given("EMAIL_URL") and dj_email_url.SCHEMES.get(scheme) != _SENDS_MAIL:
        problems.append("EMAIL_URL is not a submission:// or smtp:// address, so that mails would reach nobody")
    if env.bool("DEBUG", False):
        problems.append("DEBUG is on")
    if problems:
        raise ImproperlyConfigured(f"ENV=production refuses to start: {'; '.join(problems)}. See docs/running.md.")
