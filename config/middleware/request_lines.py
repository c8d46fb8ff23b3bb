"""What the log says of each request to pages and API: one line, with its ids, its status and how long it took."""

import json
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django_structlog.signals import (
    bind_extra_request_failed_metadata,
    bind_extra_request_finished_metadata,
    bind_extra_request_metadata,
)

from common.client_address import client_address
from common.gateway_ids import gateway_ids
from common.refusal_lines import record_refusal
from common.security_log import Event, record
from config.errors import is_api

GetResponse = Callable[[HttpRequest], HttpResponse]

# For an answer whose code did not say why. A test finds it.
NO_CAUSE = "The code that answered 503 gave no cause."


@receiver(bind_extra_request_metadata)
def log_the_ids(request: HttpRequest, **kwargs: Any) -> None:
    request.began_at = time.perf_counter()  # type: ignore[attr-defined]
    structlog.contextvars.bind_contextvars(
        request_id=request.request_id,  # type: ignore[attr-defined]
        address=client_address(request),
        **gateway_ids(request.META),
    )


@receiver([bind_extra_request_finished_metadata, bind_extra_request_failed_metadata])
def log_status_and_duration(request: HttpRequest, log_kwargs: dict[str, Any], **kwargs: Any) -> None:
    """The library calls the status `code`, which elsewhere is the code of a refusal."""
    log_kwargs["status"] = status = log_kwargs.pop("code")
    log_kwargs["duration_ms"] = round((time.perf_counter() - request.began_at) * 1000, 1)  # type: ignore[attr-defined]
    if getattr(request, "is_told_elsewhere", False):
        log_kwargs["is_told_elsewhere"] = True
    if status == 503 and "error" not in structlog.contextvars.get_contextvars():
        log_kwargs["error"] = getattr(request, "outage", None) or NO_CAUSE


def refusals_logged(get_response: GetResponse) -> GetResponse:
    """Writes answers of 429, and rejected calls of the API, to the security log."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if is_api(request) and response.status_code in {401, 403, 429}:
            error = json.loads(response.content).get("error") or {}
            log_refused_call(request, str(error.get("code")), response.status_code)
        elif response.status_code == 429:
            match = request.resolver_match
            record(Event.RATE_LIMITED, page=match.url_name if match else None)
        return response

    return middleware


def log_refused_call(request: HttpRequest, code: str, status: int, **facts: Any) -> None:
    """Writes the line of a rejected call of the API. A call beyond the limit leaves no `request_finished` either."""
    key, address = getattr(request, "rejected_key_id", None), client_address(request)
    is_written = record_refusal(Event.API_CALL_REFUSED, address=address, code=code, key=key, status=status, **facts)
    request.is_told_elsewhere = not is_written  # type: ignore[attr-defined]
