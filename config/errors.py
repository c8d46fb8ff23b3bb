"""The answers to errors: pages in the product's look, the JSON envelope under /api/."""

import re
import sys

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.debug import SafeExceptionReporterFilter

from accounts.rate_limits import held_up_seconds, in_words, seconds_until_allowed
from accounts.second_factors.secrets_at_rest import SecondFactorUnavailable
from apikeys.refusals import FORBIDDEN
from common import outages
from common.answers.envelope import UNAVAILABLE_RETRY_SECONDS, error_response
from common.answers.refusals import BAD_REQUEST, INTERNAL_ERROR, NOT_FOUND, REQUEST_TIMEOUT, UNAVAILABLE
from common.security_log import Event, record
from common.slow_clients.bodies import BodyNotRead, TooManyBodies
from projects.context_processors import project_of_address

logger = structlog.get_logger(__name__)

LONGEST_HOST = 255


class SecretsHidden(SafeExceptionReporterFilter):
    """Django's technical error page without sensitive values, also while DEBUG is on: the keys of a local server are
    real.

    Addresses of database, cache and mail server contain passwords.
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
        # One line without a traceback. Text from the client is quoted and bounded.
        host = request.META.get("HTTP_HOST", "")[:LONGEST_HOST]
        logger.warning("host_refused", host=host, ALLOWED_HOSTS=settings.ALLOWED_HOSTS)
    elif isinstance(exception, SuspiciousOperation):
        # The exception's own text repeats what the client sent.
        logger.warning("request_refused", cause=type(exception).__name__)
    if is_api(request):
        return error_response(request, BAD_REQUEST)
    return render(request, "errors/400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """`exception` carries the reason that `get_project` gave."""
    reason = str(exception or "")
    if is_api(request):
        return error_response(request, FORBIDDEN, reason or "This is not allowed.")
    record(Event.PERMISSION_REFUSED, reason=reason)
    context = {"reason": reason, "project": project_of_address(request)}
    return render(request, "errors/403.html", context, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if is_api(request):
        return error_response(request, NOT_FOUND)
    return render(request, "errors/404.html", {"project": project_of_address(request)}, status=404)


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """The answer to somebody who tries too often."""
    seconds = held_up_seconds(request) or seconds_until_allowed(request)
    response = render(request, "errors/429.html", {"wait": in_words(seconds)}, status=429)
    response["Retry-After"] = str(seconds)
    return response


def method_not_allowed(request: HttpRequest, allow: str) -> HttpResponse:
    response = render(request, "errors/405.html", status=405)
    response["Allow"] = allow
    return response


def too_large(request: HttpRequest, status: int = 413) -> HttpResponse:
    """413; 411 for a body that does not tell its length."""
    title = "The length is missing" if status == 411 else ""
    return render(request, "errors/413.html", {"title": title}, status=status)


def body_not_read(request: HttpRequest, failure: BodyNotRead) -> HttpResponse:
    """408 for a body that did not arrive; 503 if the process already waits for too many bodies."""
    refusal, message = REQUEST_TIMEOUT, REQUEST_TIMEOUT.message
    if isinstance(failure, TooManyBodies):
        outages.explain("As many bodies are being read as this process may read at once (THREADS).")
        refusal = UNAVAILABLE
        message = "The server is receiving as much as it can. Nothing was changed. Try again in a second."
    if is_api(request):
        return error_response(request, refusal, message)
    response = render(request, "errors/busy.html", {"message": message}, status=refusal.status)
    if refusal is UNAVAILABLE:
        response["Retry-After"] = UNAVAILABLE_RETRY_SECONDS
    return response


def unavailable(request: HttpRequest, cause: object, page: str = "errors/503.html") -> HttpResponse:
    outages.explain(cause)
    if is_api(request):
        return error_response(request, UNAVAILABLE)
    return HttpResponse(_static_page(page, request), status=503, headers={"Retry-After": UNAVAILABLE_RETRY_SECONDS})


def server_error(request: HttpRequest) -> HttpResponse:
    """500; or 503 if a database, cache or key ring cannot be reached, whichever layer noticed it."""
    cause = sys.exc_info()[1]
    if isinstance(cause, SecondFactorUnavailable):
        return unavailable(request, cause, "errors/503_second_factor.html")
    if isinstance(cause, outages.OUTAGES):
        return unavailable(request, cause)
    if is_api(request):
        return error_response(request, INTERNAL_ERROR)
    return HttpResponse(_static_page("errors/500.html", request), status=500)


def _static_page(template: str, request: HttpRequest) -> str:
    """A page that reads neither the session nor the database, because they may be broken.

    An action that fails midway, or while the database commits it, may have taken effect.
    """
    return render_to_string(template, {"may_have_worked": request.method not in {"GET", "HEAD"}})
