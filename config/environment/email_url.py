"""EMAIL_URL: which mail server sends, and how its connection is kept secret."""

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import dj_email_url  # type: ignore[import-untyped]

from config.environment.variables import refusal, unreadable

NAME = "EMAIL_URL"
_SENDS = "django.core.mail.backends.smtp.EmailBackend"
# Where mail servers speak TLS from the first byte, and where they do not (RFC 8314, 3.3; RFC 6409, 3.1).
_TLS_AT_ONCE, _TLS_LATER = 465, {25, 587}
_LONGEST_SECONDS = 24 * 60 * 60  # a socket cannot wait for just any number
# A container may have a name with an underscore.
_HOST = re.compile(r"[\w.:%-]+")


def is_sent(url: str) -> bool:
    """Whether emails leave this machine, as far as the scheme says."""
    return bool(dj_email_url.SCHEMES.get(url.partition("://")[0].lower()) == _SENDS)


def parse(url: str) -> dict[str, Any]:
    """Django's EMAIL_ settings; with "", emails are shown on standard error.

    Raises ImproperlyConfigured for an address that cannot be read or cannot work.
    """
    if not url:
        return {"EMAIL_BACKEND": "config.local_mail.EmailBackend"}
    try:
        parts = urlsplit(url)
        at_once = parts.scheme == "smtps"
        # dj_email_url takes "smtps" for STARTTLS. A server that speaks TLS from the start would never answer that.
        found: dict[str, Any] = dj_email_url.parse(re.sub(r"(?i)^smtps:", "smtp:", url) if at_once else url)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise unreadable(NAME) from None
    # An "@" that is not encoded. What stands before it may be a part of the password.
    if "EMAIL_BACKEND" not in found or "@" in parts.query:
        raise unreadable(NAME)
    _refuse_options(found, at_once, options)
    if found["EMAIL_BACKEND"] == _SENDS:
        found["EMAIL_BACKEND"] = "common.outbox.smtp_backend.EmailBackend"
        if at_once:
            found |= {"EMAIL_USE_SSL": True, "EMAIL_USE_TLS": False, "EMAIL_PORT": parts.port or _TLS_AT_ONCE}
        _refuse_what_cannot_work(parts, found)
    return found


def _refuse_options(found: dict[str, Any], at_once: bool, options: list[tuple[str, str]]) -> None:
    """What would be dropped without a word, or would make each email fail."""
    names = [name for name, _ in options]
    for option, value in options:
        if option not in {"timeout", "ssl", "tls"}:
            raise refusal(NAME, f"it has no option {option!r}, only timeout, ssl and tls.")
        if found["EMAIL_BACKEND"] != _SENDS:
            raise refusal(NAME, f"the option {option} is for a mail server, and this address names none.")
        if names.count(option) > 1:
            raise refusal(NAME, f"it has the option {option} {names.count(option)} times.")
        if option != "timeout" and value not in dj_email_url.TRUTHY:
            raise refusal(NAME, f"the option {option} is 1, or left out.")
    if "timeout" in names and not 1 <= (found["EMAIL_TIMEOUT"] or 0) <= _LONGEST_SECONDS:
        raise refusal(NAME, f"the option timeout is from 1 to {_LONGEST_SECONDS} seconds, or left out.")
    if "tls" in names and (at_once or "ssl" in names):
        raise refusal(NAME, "tls is TLS after a start without it, which smtps:// and ssl contradict.")


def _refuse_what_cannot_work(parts: Any, found: dict[str, Any]) -> None:
    is_whole = parts.hostname and _HOST.fullmatch(parts.hostname) and not parts.path.strip("/")
    if not is_whole or parts.fragment:
        raise unreadable(NAME)
    if found["EMAIL_HOST_USER"] and not found["EMAIL_HOST_PASSWORD"]:
        raise refusal(NAME, "it names a user without a password, and Latchkey would not sign in at the mail server.")
    port, at_once = found["EMAIL_PORT"], found["EMAIL_USE_SSL"]
    if port == _TLS_AT_ONCE and not at_once:
        raise refusal(NAME, "port 465 speaks TLS from the start. Write smtps://, or submission:// with port 587.")
    if port in _TLS_LATER and at_once:
        raise refusal(NAME, f"port {port} does not speak TLS from the start. Write submission://, or port 465.")
