"""Turns a Django request into its verdict, and a verdict into the refusal in our envelope."""

import structlog
from django.http import HttpRequest, HttpResponse

from apikeys.verify import verification
from apikeys.verify.verification import Verdict
from common.answers.envelope import Refused, error_response
from common.client_address import client_address
from common.public_ids import new_public_id


def judge(request: HttpRequest) -> Verdict:
    """Asks `verification.verify`. An allowed request then has an `identity`, and its log lines name the key."""
    verdict = verification.verify(request.META.get("HTTP_AUTHORIZATION"), client_address(request))
    if verdict.identity is not None:
        request.identity = verdict.identity  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(key_id=verdict.identity.key_id)
    return verdict


def refused(request: HttpRequest, verdict: Verdict) -> Refused:
    """The exception, or the answer, for a verdict without an identity."""
    return Refused(verdict.refusal, verdict.message)


def answer(request: HttpRequest, error: Refused) -> HttpResponse:
    """The refusal as an answer. Latchkey's own middleware has given the request an id; other projects have not."""
    request.request_id = getattr(request, "request_id", "") or new_public_id("req")  # type: ignore[attr-defined]
    response = error_response(request, error.refusal, error.message)
    response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
    return response
