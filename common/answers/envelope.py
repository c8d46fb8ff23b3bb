"""The one shape of every JSON answer, success and failure alike (docs/api.md)."""

import time
from collections.abc import Mapping
from math import ceil
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, JsonResponse

from common.answers.refusals import Refusal

_CHALLENGE = 'Bearer realm="api"'
UNAVAILABLE_RETRY_SECONDS = "5"


def seconds_to_next_minute() -> int:
    """What a 429 says to wait: failed keys are counted by the minute of the clock."""
    return 60 - int(time.time()) % 60


class Refused(Exception):
    """Ends an API view with an error; the arguments are those of `error_response`."""

    def __init__(self, refusal: Refusal, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(refusal.code)
        self.refusal, self.message, self.headers = refusal, message or refusal.message, headers or {}


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


def error_body(request_id: str, refusal: Refusal, message: str = "", project_id: str | None = None) -> dict[str, Any]:
    """`message` says what to do more precisely than the refusal's own."""
    return {
        "meta": {"request_id": request_id, "project_id": project_id, "type": "error"},
        "data": None,
        "error": {"code": refusal.code, "message": message or refusal.message},
        "links": {},
    }


def error_headers(refusal: Refusal) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if refusal.status == 503:
        headers["Retry-After"] = UNAVAILABLE_RETRY_SECONDS
    if refusal.status == 429:
        headers["Retry-After"] = str(seconds_to_next_minute())
    if refusal.status == 401 or refusal.bearer_error:
        error = f', error="{refusal.bearer_error}"' if refusal.bearer_error else ""
        headers["WWW-Authenticate"] = f"{_CHALLENGE}{error}"
    return headers


def error_response(
    request: HttpRequest, refusal: Refusal, message: str = "", headers: Mapping[str, str] | None = None
) -> JsonResponse:
    """`headers` replace those of the refusal that have the same names."""
    identity = getattr(request, "identity", None)
    body = error_body(getattr(request, "request_id", ""), refusal, message, identity.project_id if identity else None)
    return JsonResponse(body, status=refusal.status, headers=error_headers(refusal) | dict(headers or {}))
