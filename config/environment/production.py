"""What production refuses: the variables that it needs and does not have, and what is unsafe there."""

import os

from django.core.exceptions import ImproperlyConfigured

from config.environment import database_url, email_url
from config.environment.given_addresses import is_web_address
from config.environment.variables import PRODUCTION, flag, given, listed, refusal

_REQUIRED = (
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "DATABASE_URL",
    "KEY_PEPPERS",
    "KEY_RING",
    "EMAIL_URL",
    "DEFAULT_FROM_EMAIL",
)
_YEAR = 365 * 24 * 60 * 60


def refuse_unsafe() -> None:
    """Raises ImproperlyConfigured that names every variable that is missing or unsafe."""
    if os.environ.get("ENV", "local") not in {"local", "production"}:
        raise ImproperlyConfigured("ENV must be 'local' or 'production'.")
    if given("SCRIPT_NAME") or given("FORCE_SCRIPT_NAME"):
        raise refusal("SCRIPT_NAME", "Latchkey runs at the root of a host name, not below a path. Unset it.")
    if not PRODUCTION:
        return
    problems = [f"{name} is missing" for name in _REQUIRED if not given(name).strip(", ")]
    problems += _secret_key_problems(given("SECRET_KEY"), listed("SECRET_KEY_FALLBACKS"))
    problems += [problem for problem, is_so in _unsafe().items() if is_so]
    if problems:
        raise ImproperlyConfigured(f"ENV=production refuses to start: {'; '.join(problems)}. See docs/settings.md.")


def _unsafe() -> dict[str, bool]:
    """What production refuses, and whether it is so; what is missing is told elsewhere."""
    base, sends, data = given("BASE_URL"), given("EMAIL_URL"), given("DATABASE_URL")
    return {
        "ALLOWED_HOSTS contains '*'": "*" in listed("ALLOWED_HOSTS"),
        "DATABASE_URL is not a postgresql:// address": bool(data) and not database_url.is_postgresql(data),
        "BASE_URL is not an https:// address with a host": bool(base) and not is_web_address(base, "https"),
        "EMAIL_URL is not a submission://, smtps:// or smtp:// address, so emails would reach nobody": bool(sends)
        and not email_url.is_sent(sends),
        "DEBUG is on": flag("DEBUG", False),
        "TRUSTED_PROXIES is 0, but Latchkey speaks no TLS itself: every page would redirect to itself, and every check "
        "would be rejected. Set it to the number of HTTPS proxies in front": given("TRUSTED_PROXIES") in {"", "0"},
    }


def _secret_key_problems(key: str, fallbacks: list[str]) -> list[str]:
    problems = []
    if key and len(key) < 50:
        problems.append("SECRET_KEY is shorter than 50 characters")
    if any(len(fallback) < 50 for fallback in fallbacks):
        problems.append("SECRET_KEY_FALLBACKS has an entry that is shorter than 50 characters")
    if key in fallbacks:
        problems.append("SECRET_KEY_FALLBACKS contains SECRET_KEY itself")
    return problems


def hsts_beyond_this_host(seconds_asked: int) -> tuple[bool, bool]:
    """Whether HSTS is for all subdomains too, and whether browsers may ship it (https://hstspreload.org)."""
    subdomains, preload = flag("HSTS_INCLUDE_SUBDOMAINS", False), flag("HSTS_PRELOAD", False)
    if preload and not (subdomains and seconds_asked >= _YEAR):
        raise refusal("HSTS_PRELOAD", f"it needs HSTS_INCLUDE_SUBDOMAINS=true and HSTS_SECONDS of at least {_YEAR}.")
    return subdomains, preload
