"""`/verify`, which a gateway asks before it passes a request on: a WSGI application of its own.

It needs no session, no form token, no template and no host name, so it stands in front of Django's handler and
middleware (config/wsgi.py), which cost more than the check. The verdict is `verification.verify`, as everywhere.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog
from django.conf import settings

from apikeys import refusals
from apikeys.verify import verification
from common.answers.envelope import error_body, error_headers
from common.answers.refusals import HTTPS_REQUIRED, INTERNAL_ERROR, NOT_FOUND, Refusal
from common.client_address import address_of, forwarded_protocol
from common.public_ids import new_public_id
from common.security_log import Event, record

logger = structlog.get_logger(__name__)

PATH = "/api/v1/verify"
# Envoy adds the client's path and query to the path of the check, and takes 200 alone for a yes.
BELOW = f"{PATH}/"

Environ = Mapping[str, Any]

_STATUSES = {200, 204, *(refusal.status for refusal in refusals.ALL)}
_STATUS_LINES = {status: f"{status} {HTTPStatus(status).phrase}" for status in _STATUSES}


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def answer(environ: Environ, request_id: str) -> Answer:
    """204 and whose request it is, or the refusal. Any method is answered alike; the body is never read.

    Below PATH the answer is 200 in place of 204. What follows there, path and query, is the client's and is never read.
    """
    if not _is_secure_enough(environ):
        return _refusal(HTTPS_REQUIRED, request_id)
    authorization = environ.get("HTTP_AUTHORIZATION")
    identity, refusal = verification.verify(authorization, address_of(environ))
    if identity is None:
        return _refusal(refusal, request_id, verification.message_of(refusal, authorization))
    headers = [
        ("X-Latchkey-Key", identity.key_id),
        ("X-Latchkey-Project", identity.project_id),
        ("X-Latchkey-User", identity.user_id),
        ("X-Request-Id", request_id),
        ("Cache-Control", "no-store"),
    ]
    if environ["PATH_INFO"] == PATH:
        return Answer(204, headers, b"")
    return Answer(200, [*headers, ("Content-Length", "0")], b"")


def is_asked(path: str) -> bool:
    """Whether a request for this path is a question of a gateway."""
    return path == PATH or path.startswith(BELOW)


def _is_secure_enough(environ: Environ) -> bool:
    """Whether the request came over HTTPS, where that is demanded; by the rule of Django's `request.is_secure()`."""
    if not settings.SECURE_SSL_REDIRECT:
        return True
    scheme = environ["wsgi.url_scheme"]
    if settings.SECURE_PROXY_SSL_HEADER:
        name, _ = settings.SECURE_PROXY_SSL_HEADER
        scheme = forwarded_protocol(environ[name]) if name in environ else scheme
    return bool(scheme == "https")


def _refusal(refusal: Refusal, request_id: str, message: str = "") -> Answer:
    """The refusal's body stands in a header too, for gateways that throw a body away (nginx's auth_request)."""
    body = json.dumps(error_body(request_id, refusal, message))
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Latchkey-Refusal", body),
        ("X-Request-Id", request_id),
        *error_headers(refusal).items(),
    ]
    return Answer(refusal.status, headers, body.encode("ascii"))


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """WSGI. Calls that pass are counted, not logged; a refusal leaves a line, so that its id can be found."""
    request_id = new_public_id("req")
    try:
        found = answer(environ, request_id)
    except Exception:
        logger.exception("verify_failed", request_id=request_id)
        found = _refusal(INTERNAL_ERROR, request_id)
    if found.status >= 400:
        reason = json.loads(found.body)["error"]["code"]
        record(Event.VERIFY_REFUSED, request_id=request_id, address=address_of(environ), reason=reason)
    return _send(found, environ, start_response)


def not_found(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """WSGI, for the check's own port: pages and API are on another one."""
    message = f"Only {PATH}, /health/live and /health/ready are on this port. The API is on Latchkey's PORT."
    return _send(_refusal(NOT_FOUND, new_public_id("req"), message), environ, start_response)


def _send(found: Answer, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response(_STATUS_LINES[found.status], found.headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [found.body]
