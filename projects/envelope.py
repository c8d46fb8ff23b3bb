"""The one shape of every JSON answer, success and failure alike (docs/api.md)."""

from typing import Any

from django.http import HttpRequest, JsonResponse

MESSAGES = {
    "key_missing": "Send your API key as 'Authorization: Bearer <key>'.",
    "key_malformed": "The Authorization header is not 'Bearer <key>' with a complete key. Copy the key again.",
    "key_unknown": "No such API key. Check that it is a key of this server, or create a new one.",
    "key_paused": "This API key is paused. An owner of the project can re-enable it in its settings.",
    "key_deleted": "This API key was deleted for good. Use another key of the project, or create a new one.",
    "forbidden": "This API key may not do this: the account that created it is deactivated. Create a new key.",
    "unavailable": "The server cannot check API keys at the moment. Try again shortly.",
}

# RFC 6750, 3.1: a request without credentials is told no error code; a malformed one is an invalid request.
_BEARER_CHALLENGES = {
    "key_missing": 'Bearer realm="api"',
    "key_malformed": 'Bearer realm="api", error="invalid_request"',
}


def envelope(
    request: HttpRequest,
    *,
    kind: str,
    data: Any = None,
    error: dict[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
    links: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """`kind` is "object", "list" or "error"; `meta` and `links` add paging."""
    identity = getattr(request, "identity", None)
    return {
        "meta": {
            "request_id": getattr(request, "request_id", ""),
            "project_id": identity.project_id if identity else None,
            "type": kind,
            **(meta or {}),
        },
        "data": data,
        "error": error,
        "links": {"self": request.get_full_path()} if links is None else links,
    }


def error_response(request: HttpRequest, status: int, code: str, message: str = "", **details: Any) -> JsonResponse:
    """`message` says what to do; left out, it is the code's own from MESSAGES."""
    error = {"code": code, "message": message or MESSAGES[code], **details}
    response = JsonResponse(envelope(request, kind="error", error=error, links={}), status=status)
    response["Cache-Control"] = "no-store"
    if status == 401:
        response["WWW-Authenticate"] = _BEARER_CHALLENGES.get(code, 'Bearer realm="api", error="invalid_token"')
    return response


def refusal(request: HttpRequest, code: str) -> JsonResponse:
    """The answer to a request that verification refused with `code`."""
    status = {"unavailable": 503, "forbidden": 403}.get(code, 401)
    return error_response(request, status, code)
