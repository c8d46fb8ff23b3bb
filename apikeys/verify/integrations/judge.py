"""Turns a Django request into its verdict, and a verdict into the refusal in our envelope."""

from collections.abc import Iterable
from typing import TypeVar

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from apikeys.bounds.asked import Asked
from apikeys.verify import verification
from apikeys.verify.verification import Verdict
from common.answers.envelope import Refused, error_response
from common.client_address import client_address
from common.public_ids import new_request_id

Response = TypeVar("Response", bound=HttpResponseBase)


def judge(request: HttpRequest, scopes: Iterable[str] = (), cost: int = 1) -> Verdict:
    """Asks `verification.verify` about a call that needs these scopes, and counts as `cost` for the key's limits.

    An allowed request then has an `identity`, and its log lines name the key. `limit_fields` gives its answer the
    fields that tell what is left of the limits.
    """
    asked = Asked(request.method, tuple(scopes), cost)
    verdict = verification.verify(request.META.get("HTTP_AUTHORIZATION"), client_address(request), asked)
    request.limit_fields = verdict.headers  # type: ignore[attr-defined]
    if verdict.identity is not None:
        request.identity = verdict.identity  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(key_id=verdict.identity.key_id)
    # For the lines of Latchkey's own server.
    request.rejected_key_id, request.outage = verdict.key_id, verdict.cause  # type: ignore[attr-defined]
    return verdict


def with_limits(request: HttpRequest, response: Response) -> Response:
    """The answer to an allowed request, with the fields that tell what is left of the key's limits."""
    for name, value in getattr(request, "limit_fields", ()):
        response[name] = value
    return response


def refused(request: HttpRequest, verdict: Verdict) -> Refused:
    """The exception, or the answer, for a verdict without an identity."""
    return Refused(verdict.refusal, verdict.message, dict(verdict.headers))


def answer(request: HttpRequest, error: Refused) -> HttpResponse:
    """The refusal as an answer. Latchkey's own middleware has given the request an id; other projects have not."""
    request.request_id = getattr(request, "request_id", "") or new_request_id()  # type: ignore[attr-defined]
    response = error_response(request, error.refusal, error.message, error.headers)
    response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
    return response
