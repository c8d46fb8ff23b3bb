"""`/verify`, which a gateway asks before it passes a request on: a WSGI application of its own.

It needs no session, form token, template or host name. So it runs in front of Django's handler and middleware
(config/wsgi.py), which cost more than the check. `verification.verify` gives the verdict, as everywhere.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog

from apikeys import refusals
from apikeys.limits.at_the_check import Headers
from apikeys.verify import asking, verification
from common import outages
from common.answers.envelope import error_body, error_headers
from common.answers.refusals import HTTPS_REQUIRED, INTERNAL_ERROR, INVALID, NOT_FOUND, UNAVAILABLE, Refusal
from common.client_address import address_of, forwarded_protocol
from common.gateway_ids import gateway_ids
from common.known_settings import known
from common.metrics import counts
from common.public_ids import new_request_id
from common.refusal_lines import record_refusal
from common.security_log import Event

logger = structlog.get_logger(__name__)

PATH = "/api/v1/verify"
# Envoy appends the client's path and query to the path of the check, and accepts only 200 as a yes.
BELOW = f"{PATH}/"

# How many seconds before a key's end its requests are told of it.
_ANNOUNCED = 30 * 24 * 60 * 60

Environ = Mapping[str, Any]

_STATUSES = {200, 204, *(refusal.status for refusal in refusals.ALL)}
_STATUS_LINES = {status: f"{status} {HTTPStatus(status).phrase}" for status in _STATUSES}


# The outcome of a check that allows the request, as it is counted. All others are the codes of refusals.
ALLOWED = "allowed"
REFUSALS = (*refusals.OF_A_KEY, HTTPS_REQUIRED, INVALID, *refusals.OF_EVERY_CALL)


class Answer(NamedTuple):
    """`code` is the outcome. `key_id` and `cause` are for the log, as those of a verdict."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    code: str = ALLOWED
    key_id: str | None = None
    cause: str | None = None


def answer(environ: Environ, request_id: str) -> Answer:
    """204 with the identity, or the refusal. The body is never read.

    Below PATH the answer is 200 instead of 204. The rest of the path and the query are the client's and are never read.
    """
    if not _is_secure_enough(environ):
        return _refusal(HTTPS_REQUIRED, request_id)
    is_below = environ["PATH_INFO"] != PATH
    try:
        asked = asking.below_verify(environ) if is_below else asking.at_verify(environ)
    except asking.AskedMalformed as error:
        return _refusal(INVALID, request_id, str(error))
    authorization = environ.get("HTTP_AUTHORIZATION")
    verdict = verification.verify(authorization, address_of(environ), asked)
    identity = verdict.identity
    if identity is None:
        found = _refusal(verdict.refusal, request_id, verdict.message, verdict.headers)
        return found._replace(key_id=verdict.key_id, cause=verdict.cause)
    headers = [
        *verdict.headers,
        *_expires(identity.key_expires_at),
        ("X-Latchkey-Key", identity.key_id),
        ("X-Latchkey-Project", identity.project_id),
        ("X-Latchkey-User", identity.user_id),
        ("X-Latchkey-Scopes", identity.scopes),
        ("X-Request-Id", request_id),
        ("Cache-Control", "no-store"),
    ]
    return Answer(200, [*headers, ("Content-Length", "0")], b"") if is_below else Answer(204, headers, b"")


def _expires(at: float | None) -> list[tuple[str, str]]:
    """The instant of the key's end as an HTTP date, in the last 30 days before it."""
    if at is None or at - time.time() > _ANNOUNCED:
        return []
    return [("X-Latchkey-Expires", formatdate(at, usegmt=True))]


def is_asked(path: str) -> bool:
    """Whether a gateway asks the check at this path."""
    return path == PATH or path.startswith(BELOW)


def _is_secure_enough(environ: Environ) -> bool:
    """Whether the request came over HTTPS, where that is required; the rule of Django's `request.is_secure()`."""
    if not known.SECURE_SSL_REDIRECT:
        return True
    scheme = environ["wsgi.url_scheme"]
    if known.SECURE_PROXY_SSL_HEADER:
        name, _ = known.SECURE_PROXY_SSL_HEADER
        scheme = forwarded_protocol(environ[name]) if name in environ else scheme
    return bool(scheme == "https")


def _refusal(refusal: Refusal, request_id: str, message: str = "", also: Headers = ()) -> Answer:
    """The refusal, with its body also in a header, for gateways that discard a body (nginx's auth_request)."""
    body = json.dumps(error_body(request_id, refusal, message))
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Latchkey-Refusal", body),
        ("X-Request-Id", request_id),
        *(error_headers(refusal) | dict(also)).items(),
    ]
    return Answer(refusal.status, headers, body.encode("ascii"), refusal.code)


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application. Allowed requests are counted and not logged. A refusal leaves a log line, so that its id
    can be found.
    """
    began = time.perf_counter()
    request_id = new_request_id()
    try:
        found = answer(environ, request_id)
    except Exception:
        logger.exception("verify_failed", request_id=request_id)
        found = _refusal(INTERNAL_ERROR, request_id)
    return _finish(found, request_id, began, environ, start_response)


def busy(environ: Environ, start_response: Callable[..., Any], cause: str) -> Iterable[bytes]:
    """The WSGI application for a check that no thread can answer."""
    began = time.perf_counter()
    request_id = new_request_id()
    outages.log("verify_unavailable", cause)
    found = _refusal(UNAVAILABLE, request_id)._replace(cause=cause)
    return _finish(found, request_id, began, environ, start_response)


def _finish(
    found: Answer, request_id: str, began: float, environ: Environ, start_response: Callable[..., Any]
) -> Iterable[bytes]:
    seconds = time.perf_counter() - began
    counts.check(found.code, seconds)
    if found.status >= 400:
        record_refusal(
            Event.VERIFY_REFUSED,
            address=address_of(environ),
            code=found.code,
            key=found.key_id,
            status=found.status,
            error=found.cause,
            request_id=request_id,
            duration_ms=round(seconds * 1000, 1),
            **gateway_ids(environ),
        )
    return _send(found, environ, start_response)


def not_found(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application for other paths on the check's own port: pages and API are on another port."""
    message = f"Only {PATH}, /health/live and /health/ready are on this port. The API is on Latchkey's PORT."
    return _send(_refusal(NOT_FOUND, new_request_id(), message), environ, start_response)


def _send(found: Answer, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response(_STATUS_LINES[found.status], found.headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [found.body]
