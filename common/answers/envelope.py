"""The one shape of every JSON answer, success and failure alike (docs/api.md)."""

import time
from math import ceil
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, JsonResponse

MESSAGES = {
    "key_missing": "Send your API key as 'Authorization: Bearer <key>'.",
    "key_malformed": "The Authorization header is not 'Bearer <key>' with a complete key. "
    "Copy the key again, and check that the variable that holds it is set.",
    "key_unknown": "No such API key. Check that it is a key of this server, or create a new one.",
    "key_paused": "This API key is paused. An owner of the project can re-enable it in its settings.",
    "key_deleted": "This API key was deleted for good. Use another key of the project, or create a new one.",
    "forbidden": "This API key may not do this: the account that created it is deactivated. Create a new key.",
    "https_required": "Use https. Roll any key that was sent over http.",
    "too_many_failures": "Too many calls from this address had a wrong key. Wait a minute, and check the key.",
    "unavailable": "The server cannot check API keys at the moment. Try again shortly.",
}

# RFC 6750, 3.1: a token that is malformed, unknown, revoked or expired is an invalid one; a request without
# any is told no error code.
_CHALLENGE = 'Bearer realm="api"'
_CHALLENGE_WITH_ERROR = f'{_CHALLENGE}, error="invalid_token"'


UNAVAILABLE_RETRY_SECONDS = "5"


def seconds_to_next_minute() -> int:
    """What a 429 says to wait: failed keys are counted by the minute of the clock."""
    return 60 - int(time.time()) % 60


class Refused(Exception):
    """Ends an API view with an error; the arguments are those of `error_response`."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


def envelope(
    request: HttpRequest,
    *,
    kind: str,
    data: Any,
    meta: dict[str, Any] | None = None,
    links: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A success: `kind` is "object" or "list"; `meta` and `links` add paging."""
    identity = getattr(request, "identity", None)
    return {
        "meta": {
            "request_id": getattr(request, "request_id", ""),
            "project_id": identity.project_id if identity else None,
            "type": kind,
            **(meta or {}),
        },
        "data": data,
        "error": None,
        # Without the query: no call that answers so has one, and what a stray one holds is not ours to repeat.
        "links": {"self": request.path} if links is None else links,
    }


def list_envelope(request: HttpRequest, data: list[Any], *, page: int, limit: int, total: int) -> dict[str, Any]:
    """`data` is page `page` (from 1) of `total` items in pages of `limit`; it is empty beyond the last page."""
    pages = max(1, ceil(total / limit))

    def link(number: int) -> str:
        return f"{request.path}?{urlencode({'page': number, 'limit': limit})}"

    links = {
        "self": link(page),
        "next": link(page + 1) if page < pages else None,
        "prev": link(min(page - 1, pages)) if page > 1 else None,
    }
    meta = {"limit": limit, "total": total, "page": page, "pages": pages}
    return envelope(request, kind="list", data=data, meta=meta, links=links)


def error_body(request_id: str, code: str, message: str = "", project_id: str | None = None) -> dict[str, Any]:
    """`message` says what to do; left out, it is the code's own from MESSAGES."""
    return {
        "meta": {"request_id": request_id, "project_id": project_id, "type": "error"},
        "data": None,
        "error": {"code": code, "message": message or MESSAGES[code]},
        "links": {},
    }


def error_headers(status: int, code: str) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = UNAVAILABLE_RETRY_SECONDS
    if status == 429:
        headers["Retry-After"] = str(seconds_to_next_minute())
    if status == 401:
        headers["WWW-Authenticate"] = _CHALLENGE if code == "key_missing" else _CHALLENGE_WITH_ERROR
    return headers


def error_response(request: HttpRequest, status: int, code: str, message: str = "") -> JsonResponse:
    identity = getattr(request, "identity", None)
    body = error_body(getattr(request, "request_id", ""), code, message, identity.project_id if identity else None)
    return JsonResponse(body, status=status, headers=error_headers(status, code))


def status_of(code: str) -> int:
    """The status of an answer that verification refused with `code`."""
    return {"unavailable": 503, "forbidden": 403, "too_many_failures": 429}.get(code, 401)
