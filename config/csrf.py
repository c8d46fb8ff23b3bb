"""The answer to a form that Django's CSRF check rejects. It tells the cause to the person and to the operator."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE, REASON_NO_REFERER
from django.shortcuts import render

from common.security_log import Event, record
from config.errors import is_api
from config.middleware.sign_in import lead_to_sign_in

LONGEST = 200  # of an address that the client sent, on the page and in the log


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if reason.startswith(("Origin checking failed", "Referer checking failed")):
        return _wrong_origin(request, reason, "" if reason == REASON_NO_REFERER else _origin(request))
    record(Event.CSRF_REFUSED, reason=reason)
    if _sent_by_script(request) and not request.user.is_authenticated:
        # The cookies of the page's sign-in are gone, and the token's cookie with them.
        return lead_to_sign_in(request)
    has_no_cookie = reason == REASON_NO_CSRF_COOKIE or reason.startswith("CSRF cookie ")
    return render(request, "errors/csrf_cookie.html" if has_no_cookie else "errors/csrf.html", status=403)


def _sent_by_script(request: HttpRequest) -> bool:
    """Whether a script of a page sent the request. Its origin is ours, because that was checked before."""
    wants_json = request.headers.get("Accept") == "application/json"
    return (bool(request.htmx) or wants_json) and not is_api(request)  # type: ignore[attr-defined]


def _wrong_origin(request: HttpRequest, reason: str, received: str) -> HttpResponse:
    """The foreign origin of the form. `received` is empty or "null" if the browser does not tell the origin."""
    if reason.endswith("does not match any trusted origins."):
        reason = reason.partition(" - ")[0]  # the rest repeats the header, which may contain a password
    scheme = "https" if request.is_secure() else "http"
    expected = [f"{scheme}://{request.get_host()}", *settings.CSRF_TRUSTED_ORIGINS]
    record(Event.CSRF_REFUSED, reason=reason, received=received, expected=expected, base_url=settings.BASE_URL)
    facts = {"received": "" if received == "null" else received, "expected": expected}
    return render(request, "errors/csrf_origin.html", facts, status=403)


def _origin(request: HttpRequest) -> str:
    """Scheme, host and port only: the rest of a Referer may be anything."""
    sent = request.headers.get("Origin") or request.headers.get("Referer", "")
    try:
        parts = urlsplit(sent)
    except ValueError:
        return "an address that cannot be read"
    return (f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else sent)[:LONGEST]
