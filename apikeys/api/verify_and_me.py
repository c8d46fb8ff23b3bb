"""The calls of a key about itself: `/verify` and `/me`."""

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from ninja import Router, Schema

from apikeys.standing import ACTIVE
from apikeys.verify import gateway
from apikeys.verify.key_lookup import Identity
from common.answers.envelope import envelope
from common.answers.schemas import ErrorAnswer, ObjectAnswer
from projects.files.files_api import ApiRequest


class KeyRequest(ApiRequest):
    identity: Identity


@csrf_exempt
@login_not_required
def verify(request: HttpRequest, below: str = "") -> HttpResponse:
    """The gateway's answer for servers that run only Django's handler, such as `runserver`."""
    found = gateway.answer(request.META, request.request_id)  # type: ignore[attr-defined]
    return HttpResponse(found.body, status=found.status, headers=dict(found.headers))


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _parameter(name: str, place: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": False, "description": description, "schema": {"type": "string"}}


# `verify` is a plain view, for speed, so its part of the OpenAPI document is written by hand.
VERIFY_DOCUMENT: dict[str, Any] = {
    "operationId": "verify",
    "summary": "Verify",
    "description": "For gateways: whether a request with this Authorization header is allowed. "
    "No body is read. Below this path, as at `/api/v1/verify/v1/orders?x=1`, the answer is 200 in place of 204, the "
    "rest of path and query is not read, the method is the request's own, and scope and cost are in the headers "
    "`X-Latchkey-Require-Scope` and `X-Latchkey-Cost`.",
    "tags": ["Keys"],
    "parameters": [
        _parameter("scope", "query", "The scopes that the request needs, separated by spaces."),
        _parameter("cost", "query", "How many requests it counts as, 0 to 1,000; 1 if it is left out."),
        _parameter("X-Forwarded-Method", "header", "The client's method; read-only keys need it."),
        _parameter("X-Original-Method", "header", "The same, for gateways that write it so."),
    ],
    "security": [{"ApiKeyAuth": []}],
    "responses": {
        204: {
            "description": "The key is good.",
            "headers": {
                "X-Latchkey-Key": _header("The key's id."),
                "X-Latchkey-Project": _header("The id of the key's project."),
                "X-Latchkey-User": _header("The id of the user who is responsible for the key."),
                "X-Latchkey-Expires": _header(
                    "When the key expires, as an HTTP date. Only in the last 30 days before that."
                ),
                "X-Latchkey-Scopes": _header(
                    "The key's scopes, separated by spaces; `*` for full access, `read` for read only."
                ),
                "RateLimit-Policy": _header("The limits of the key and its project, if there are any."),
                "RateLimit": _header("What is left of each limit."),
            },
        },
    },
}


class KeyPart(Schema):
    id: str
    name: str
    standing: str
    expires_at: datetime | None


class ProjectPart(Schema):
    id: str
    name: str


class UserPart(Schema):
    id: str
    email: str


class Me(Schema):
    key: KeyPart
    project: ProjectPart
    user: UserPart


class MeAnswer(ObjectAnswer):
    data: Me


router = Router(tags=["Keys"])


@router.get(
    "",
    response={200: MeAnswer, 400: ErrorAnswer},
    operation_id="getMe",
)
def me(request: KeyRequest) -> dict[str, Any]:
    """Who the key is: the key itself, its project, and the user who is responsible for it."""
    identity = request.identity
    at = identity.key_expires_at
    data = {
        "key": {
            "id": identity.key_id,
            "name": identity.key_name,
            # Every other standing rejects the call.
            "standing": ACTIVE.code,
            "expires_at": at and datetime.fromtimestamp(at, UTC),
        },
        "project": {"id": identity.project_id, "name": identity.project_name},
        "user": {"id": identity.user_id, "email": identity.user_email},
    }
    return envelope(request, kind="object", data=data)
