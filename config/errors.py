"""The answers when something is wrong: pages in the product's look, the envelope under /api/."""

import re
import sys
from math import ceil

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.debug import SafeExceptionReporterFilter

from accounts.rate_limits import held_up_seconds
from accounts.second_factors.secrets_at_rest import SecondFactorUnavailable
from common import outages
from common.answers.envelope import UNAVAILABLE_RETRY_SECONDS, error_response
from common.security_log import Event, record
from common.slow_clients.bodies import BodyNotRead, TooManyBodies

logger = structlog.get_logger(__name__)

# The period of those of allauth's limits that it answers with a page of its own.
LIMIT_SECONDS = 60
LONGEST_HOST = 255


class SecretsHidden(SafeExceptionReporterFilter):
    """Django's technical error page without what is sensitive, also while DEBUG is on: a local server's keys are real.

    Addresses of database, cache and mail server hold passwords.
    """

    hidden_settings = re.compile(
        rf"{SafeExceptionReporterFilter.hidden_settings.pattern}|PEPPER|RING|URL|LOCATION", re.I
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, DisallowedHost):
        # One line without a traceback. What a client sent is quoted, and bounded.
        host = request.META.get("HTTP_HOST", "")[:LONGEST_HOST]
        logger.warning("host_refused", host=host, ALLOWED_HOSTS=settings.ALLOWED_HOSTS)
    if is_api(request):
        return error_response(request, 400, "bad_request", "The request is malformed. Check its address and headers.")
    return render(request, "errors/400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """`exception` carries the reason that `get_project` gave."""
    reason = str(exception or "")
    if is_api(request):
        return error_response(request, 403, "forbidden", reason or "This is not allowed.")
    record(Event.PERMISSION_REFUSED, reason=reason)
    return render(request, "errors/403.html", {"reason": reason}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if is_api(request):
        return error_response(request, 404, "not_found", "There is nothing here. Check the address and the id.")
    return render(request, "errors/404.html", status=404)


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """What is answered to someone who tries too often."""
    seconds = held_up_seconds(request) or LIMIT_SECONDS
    number, unit = (seconds, "second") if seconds < 100 else (ceil(seconds / 60), "minute")
    wait = f"{number} {unit}{'' if number == 1 else 's'}"
    response = render(request, "errors/429.html", {"wait": wait}, status=429)
    response["Retry-After"] = str(seconds)
    return response


def method_not_allowed(request: HttpRequest, allow: str) -> HttpResponse:
    response = render(request, "errors/405.html", status=405)
    response["Allow"] = allow
    return response


def too_large(request: HttpRequest, status: int = 413) -> HttpResponse:
    """Also for a body that does not say how large it is, with 411."""
    return render(request, "errors/413.html", status=status)


def body_not_read(request: HttpRequest, failure: BodyNotRead) -> HttpResponse:
    """408 for a body that did not come; 503 where others were waited for already."""
    status, message = 408, "Only a part of what was sent has arrived. Nothing was changed. Send it again."
    if isinstance(failure, TooManyBodies):
        outages.explain("As many bodies are being read as this process may read at once (THREADS).")
        status, message = 503, "The server is receiving as much as it can. Nothing was changed. Try again in a second."
    if is_api(request):
        return error_response(request, status, "unavailable" if status == 503 else "request_timeout", message)
    response = render(request, "errors/busy.html", {"message": message}, status=status)
    if status == 503:
        response["Retry-After"] = UNAVAILABLE_RETRY_SECONDS
    return response


def unavailable(request: HttpRequest, cause: object, page: str = "errors/503.html") -> HttpResponse:
    outages.explain(cause)
    if is_api(request):
        return error_response(request, 503, "unavailable")
    return HttpResponse(_static_page(page, request), status=503, headers={"Retry-After": UNAVAILABLE_RETRY_SECONDS})


def server_error(request: HttpRequest) -> HttpResponse:
    """Also where a database, cache or key ring that cannot be asked ends up, whichever layer noticed: 503, not 500."""
    cause = sys.exc_info()[1]
    if isinstance(cause, SecondFactorUnavailable):
        return unavailable(request, cause, "errors/503_second_factor.html")
    if isinstance(cause, outages.OUTAGES):
        return unavailable(request, cause)
    if is_api(request):
        return error_response(request, 500, "internal_error", "Something broke on our side. Quote the request id.")
    return HttpResponse(_static_page("errors/500.html", request), status=500)


def _static_page(template: str, request: HttpRequest) -> str:
    """A page that asks neither the session nor the database: they may be what is broken.

    An action that fails midway, or while the database confirms it, may have worked.
    """
    return render_to_string(template, {"may_have_worked": request.method not in {"GET", "HEAD"}})
