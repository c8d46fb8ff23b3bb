"""`/metrics`: the metrics of this server, for a scraper that has METRICS_TOKEN. The check's port has them, and the
pages' port where pages are served without the check.

Without METRICS_TOKEN there is no such address, and nothing of the library is loaded.
"""

import hmac
import re
from collections.abc import Iterable
from typing import Any

from django.conf import settings

from apikeys.verify import gateway
from common.refusal_lines import record_refusal
from common.security_log import Event

PATH = "/metrics"
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(\S+)")

if settings.METRICS_TOKEN:
    from common.metrics import exposition
    from common.metrics.counts import Total

    exposition.know(Total.CHECKS, (gateway.ALLOWED, *(refusal.code for refusal in gateway.REFUSALS)))


def is_asked(path: str) -> bool:
    return path == PATH and bool(settings.METRICS_TOKEN)


def application(environ: dict[str, Any], start_response: Any, *, address: str | None) -> Iterable[bytes]:
    """The WSGI application. It asks no database and takes no lock that a check holds while it waits.

    `address` is the client's, for the log.
    """
    authorization = environ.get("HTTP_AUTHORIZATION")
    if not _is_right(authorization):
        code = "token_missing" if authorization is None else "token_wrong"
        record_refusal(Event.METRICS_REFUSED, address=address, code=code, status=401)
        return _send("401 Unauthorized", [("WWW-Authenticate", 'Bearer realm="metrics"')], environ, start_response)
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
        return _send("405 Method Not Allowed", [("Allow", "GET, HEAD")], environ, start_response)
    body, content_type = exposition.text(environ.get("HTTP_ACCEPT", ""))
    return _send("200 OK", [("Content-Type", content_type)], environ, start_response, body)


def _is_right(authorization: str | None) -> bool:
    bearer = _BEARER.fullmatch(authorization or "")
    given = bearer[1] if bearer else ""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), settings.METRICS_TOKEN.encode())


def _send(
    status: str, headers: list[tuple[str, str]], environ: dict[str, Any], start_response: Any, body: bytes = b""
) -> Iterable[bytes]:
    """The answer. One without a body has the status in words."""
    if not body:
        body, headers = f"{status[4:]}\n".encode(), [*headers, ("Content-Type", "text/plain")]
    always = [("Content-Length", str(len(body))), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
    start_response(status, [*headers, *always])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
