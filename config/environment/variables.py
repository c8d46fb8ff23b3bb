"""Reads the environment for settings.py, and refuses what is unsafe in production."""

import os
import re
from collections.abc import Callable
from errno import EACCES
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvValidationError, ValidationError, validate

from config.environment import database_url, email_url, local_secrets, setting_values
from config.environment.setting_values import refusal, unreadable

env = Env()

PRODUCTION = env.str("ENV", "local") == "production"
DATA_DIR = Path(os.environ.get("DATA_DIR") or Path(__file__).resolve().parents[2] / "var").resolve()

_REQUIRED = ("SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "KEY_PEPPERS", "KEY_RING", "EMAIL_URL")
# The values of 1 are pickles, which the previous release reads and writes while both releases are running.
_CACHE_VERSION = 2
_LONGEST_SECONDS = 24 * 60 * 60  # threads cannot wait for just any number
_YEAR = 365 * 24 * 60 * 60
_LARGEST = 10**15  # what every database and clock can count to


def given(name: str) -> str:
    """The variable `name`, or the content of the file that `name_FILE` points to, or ""."""
    if path := os.environ.get(f"{name}_FILE"):
        try:
            if content := Path(path).read_text().strip():
                return content
            raise ImproperlyConfigured(f"{name}_FILE: {path} is empty.")
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error.strerror}.") from error
        except UnicodeDecodeError:
            raise ImproperlyConfigured(f"{name}_FILE: {path} is no text.") from None
    return os.environ.get(name, "").strip()


def listed(name: str) -> list[str]:
    """The entries of a variable that separates them by commas, with or without spaces."""
    return [entry.strip() for entry in given(name).split(",") if entry.strip()]


def whole_number(name: str, default: int, *, least: int, most: int = _LARGEST) -> int:
    """Raises ImproperlyConfigured below `least` and above `most`."""
    return int(_within(env.int, name, default, min=least, max=most))


def seconds(name: str, default: float) -> float:
    """Raises ImproperlyConfigured below 0 and above a day; in production also for 0, which switches off what waits."""
    return float(_within(env.float, name, default, min=0, min_inclusive=not PRODUCTION, max=_LONGEST_SECONDS))


def _within(read: Callable[..., Any], name: str, default: float, **bounds: Any) -> Any:
    return _read(read, name, default, validate=validate.Range(**bounds))


def _read(read: Callable[..., Any], name: str, default: Any, **options: Any) -> Any:
    try:
        return read(name, default, **options)
    except EnvValidationError as error:
        raise refusal(name, " ".join(error.error_messages)) from None


def flag(name: str, default: bool) -> bool:
    return bool(_read(env.bool, name, default))


def log_level(name: str, default: int) -> int:
    return int(_read(env.log_level, name, default))


def one_of(name: str, *words: str) -> str:
    """The first of `words` unless the variable says another of them."""
    word = env.str(name, words[0])
    if word not in words:
        raise refusal(name, f"it must be {' or '.join(words)}, not {word!r}.")
    return word


def host_names(name: str, default: list[str]) -> list[str]:
    return setting_values.host_names(name, listed(name)) or default


def origins(name: str) -> list[str]:
    return setting_values.origins(name, listed(name))


def sender(name: str, default: str) -> str:
    return setting_values.sender(name, given(name) or default)


def hsts_beyond_this_host(seconds_asked: int) -> tuple[bool, bool]:
    """Whether HSTS is for all subdomains too, and whether browsers may ship it (https://hstspreload.org)."""
    subdomains, preload = flag("HSTS_INCLUDE_SUBDOMAINS", False), flag("HSTS_PRELOAD", False)
    if preload and not (subdomains and seconds_asked >= _YEAR):
        raise refusal("HSTS_PRELOAD", f"it needs HSTS_INCLUDE_SUBDOMAINS=true and HSTS_SECONDS of at least {_YEAR}.")
    return subdomains, preload


def make_folder(path: Path, *, parents: bool = False) -> Path:
    """A folder in DATA_DIR, or DATA_DIR itself. Raises ImproperlyConfigured where nobody can write."""
    try:
        path.mkdir(exist_ok=True, parents=parents)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        problem = f"cannot write in {path}: {error.strerror}. The server's own user has to be able to."
        raise refusal("DATA_DIR", problem) from None
    return path


def umask() -> int:
    """What new files and folders withhold from others. Raises ImproperlyConfigured for what lets everybody read."""
    text = given("UMASK") or "077"
    if text not in {"077", "027", "007"}:
        raise refusal("UMASK", "it must be 077, 027 or 007.")
    return int(text, 8)


def web_address(name: str) -> str:
    """The http:// or https:// address in the variable `name`, or "". Raises ImproperlyConfigured for another."""
    address = given(name)
    is_plain = not set(address) & set("?#@\"'")
    if address and not (is_plain and _is_web_address(address, {"http", "https"})):
        raise ImproperlyConfigured(f"{name} is not an http:// or https:// address with a host. See docs/running.md.")
    return address.rstrip("/")


def _is_web_address(text: str, schemes: set[str]) -> bool:
    try:
        validate.URL(schemes=schemes, require_tld=False)(text)
    except ValidationError:
        return False
    return True


def contacts(name: str) -> list[str]:
    """The entries of `name` as RFC 9116 writes contacts: mailto:, https:// or tel: addresses.

    Raises ImproperlyConfigured for an entry that is none, and no email address either.
    """
    found = []
    for entry in listed(name):
        is_email = _is_email(entry.removeprefix("mailto:"))
        if not (is_email or _is_web_address(entry, {"https"}) or re.fullmatch(r"tel:\+[0-9-]{4,30}", entry)):
            raise ImproperlyConfigured(
                f"{name}: {entry!r} is no email address, https:// address or tel:+ number. See docs/running.md."
            )
        found.append(f"mailto:{entry}" if is_email and not entry.startswith("mailto:") else entry)
    return found


def _is_email(text: str) -> bool:
    try:
        validate.Email()(text)
    except ValidationError:
        return False
    return True


def base_url() -> str:
    """Where people find this server, for links in mails: BASE_URL, else what HOST and PORT or ALLOWED_HOSTS say."""
    if address := web_address("BASE_URL"):
        if urlsplit(address).path:
            raise refusal("BASE_URL", "Latchkey runs at the root of a host name, not below a path.")
        if PRODUCTION:
            setting_values.refuse_foreign_host(
                "BASE_URL", address, listed("ALLOWED_HOSTS"), listed("CSRF_TRUSTED_ORIGINS")
            )
        return address
    if PRODUCTION:
        return f"https://{(listed('ALLOWED_HOSTS') or [''])[0].lstrip('.')}"
    # By name, as `serve` prints it: browsers refuse passkeys at an IP address.
    here = {"", "127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104
    host = "localhost" if given("HOST") in here else given("HOST")
    return f"http://{f'[{host}]' if ':' in host else host}:{given('PORT') or '8000'}"


def secret(name: str, file: str, make: Callable[[], str]) -> str:
    """A secret from the environment; a local server otherwise makes one in DATA_DIR/secrets."""
    value = given(name)
    if value or PRODUCTION:
        return value
    return local_secrets.read_or_create(DATA_DIR / "secrets" / file, make)


def database() -> dict[str, Any]:
    """The database that DATABASE_URL names, for Django's DATABASES; by default an SQLite file in DATA_DIR."""
    return database_url.parse(given("DATABASE_URL") or f"sqlite:///{DATA_DIR}/latchkey.sqlite3")


def mail() -> dict[str, Any]:
    """Django's EMAIL_ settings from EMAIL_URL; by default mails are shown on standard error."""
    if not given("EMAIL_URL"):
        return {"EMAIL_BACKEND": "config.local_mail.EmailBackend"}
    return email_url.parse(given("EMAIL_URL"))


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
        parts = urlsplit(url)
        # redis-py takes a path that is no number for database 0.
        if set(parts.hostname or "") & set(" \"'") or not f"0{parts.path.strip('/')}".isdecimal():
            raise ValueError
        # Connects to nothing yet.
        ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError, RedisError):
        raise unreadable("CACHE_URL") from None
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
    if given("SCRIPT_NAME") or given("FORCE_SCRIPT_NAME"):
        raise refusal("SCRIPT_NAME", "Latchkey runs at the root of a host name, not below a path. Unset it.")
    if not PRODUCTION:
        return
    problems = [f"{name} is missing" for name in _REQUIRED if not given(name).strip(", ")]
    problems += _secret_key_problems(given("SECRET_KEY"), listed("SECRET_KEY_FALLBACKS"))
    problems += [problem for problem, is_so in _unsafe().items() if is_so]
    if problems:
        raise ImproperlyConfigured(f"ENV=production refuses to start: {'; '.join(problems)}. See docs/running.md.")


def _unsafe() -> dict[str, bool]:
    """What production refuses, and whether it is so; what is missing is told elsewhere."""
    base, sends, data = given("BASE_URL"), given("EMAIL_URL"), given("DATABASE_URL")
    return {
        "ALLOWED_HOSTS contains '*'": "*" in listed("ALLOWED_HOSTS"),
        "DATABASE_URL is not a postgresql:// address": bool(data) and not database_url.is_postgresql(data),
        "BASE_URL is not an https:// address with a host": bool(base) and not _is_web_address(base, {"https"}),
        "EMAIL_URL is not a submission://, smtps:// or smtp:// address, so that mails would reach nobody": bool(sends)
        and not email_url.is_sent(sends),
        "DEBUG is on": flag("DEBUG", False),
        "TRUSTED_PROXIES is 0, but Latchkey speaks no TLS itself: every page would redirect to itself, and every check "
        "would be refused. Set it to the number of HTTPS proxies in front": given("TRUSTED_PROXIES") in {"", "0"},
    }
