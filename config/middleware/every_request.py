"""Rules for every request, whichever view answers it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers
from django_htmx.http import HttpResponseClientRedirect

from accounts.allauth_internals import consume_or_429
from accounts.rate_limits import held_up_seconds
from accounts.requests import address_that_asked, path_that_asked
from common import outages
from common.answers.envelope import error_response
from common.answers.refusals import HTTPS_REQUIRED
from common.gone import Gone
from common.public_ids import new_request_id
from common.slow_clients.bodies import read_by_few
from config.errors import (
    bad_request,
    body_not_read,
    forbidden,
    is_api,
    method_not_allowed,
    not_found,
    too_large,
    too_many_requests,
)
from config.middleware.request_lines import log_refused_call
from config.monitoring import health
from projects.locks import NoLongerAllowed

logger = structlog.get_logger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]


def request_id(get_response: GetResponse) -> GetResponse:
    """Gives the request an id. A client's own X-Request-Id is ignored."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.request_id = new_request_id()  # type: ignore[attr-defined]
        response = get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response

    return middleware


def api_over_https_only(get_response: GetResponse) -> GetResponse:
    """Rejects API calls over plain HTTP in production: a redirect would hide that a key was sent unencrypted."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            _name_a_proxy_without_a_protocol(request)
            if is_api(request):
                request_id = request.request_id  # type: ignore[attr-defined]
                log_refused_call(request, HTTPS_REQUIRED.code, HTTPS_REQUIRED.status, request_id=request_id)
                return error_response(request, HTTPS_REQUIRED)
        return get_response(request)

    return middleware


def _name_a_proxy_without_a_protocol(request: HttpRequest) -> None:
    """Warns about a proxy that sends no protocol: a redirect to https would return to us as the same request, without
    end. Supervisors and containers ask for health without a proxy.
    """
    if "HTTP_X_FORWARDED_PROTO" not in request.META and request.path not in health.STATES:
        cause = "The proxy sends no X-Forwarded-Proto, so that every page redirects to itself. See docs/running.md."
        outages.log("https_not_known", cause, setting="TRUSTED_PROXIES")


# Browser features that ask people for consent and that no page of ours uses. The clipboard and passkeys, which pages
# use, keep their default: our own pages only.
_NO_FEATURES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def no_features_no_embedding(get_response: GetResponse) -> GetResponse:
    """Two headers that Django has no setting for: what a browser may do on our pages, and who may embed our answers."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Browsers read it on pages only. On every script and style it would be a tenth of their weight.
        if response.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Permissions-Policy", _NO_FEATURES)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response

    return middleware


def nul_refused(get_response: GetResponse) -> GetResponse:
    """Answers 400 to a NUL in query or cookie. PostgreSQL cannot store one, and none of our forms and links sends one.

    A cookie may write it as "\000", which would reach the query for its session.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", "") or "\0" in "".join(request.COOKIES.values()):
            return bad_request(request)
        return get_response(request)

    return middleware


def health_by_any_name(get_response: GetResponse) -> GetResponse:
    """Answers health checks before the Host header is checked, because supervisors ask by IP address."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return health.answer(request) or get_response(request)

    return middleware


def bodies_bounded(get_response: GetResponse) -> GetResponse:
    """Rejects a body that is longer than a form, or of unknown length, before anything of it is read.

    No page takes a file. But Django looks for a form's token in any multipart body, and its own limit ignores files, so
    they would be written to the disk first. The API's calls check their bodies themselves.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if is_api(request):
            return get_response(request)
        if request.META.get("HTTP_TRANSFER_ENCODING"):
            return too_large(request, 411)
        # The digits are counted first, because Python refuses to parse a number of thousands of digits.
        length = request.META.get("CONTENT_LENGTH") or "0"
        if len(length) > 18 or not length.isdecimal() or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return too_large(request)
        return get_response(request)

    return middleware


bodies_read_by_few = read_by_few(body_not_read)


def never_cached(get_response: GetResponse) -> GetResponse:
    """Keeps every page and answer out of every cache, also the browser's. Static files have their own rule."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response

    return middleware


def htmx_pages(get_response: GetResponse) -> GetResponse:
    """Makes htmx treat a page as a whole, so that it never swaps a page into a fragment.

    The page that sent the request gets its new content in place, so that the focus stays on the control with the same
    id. A redirect to any other page is loaded as the browser loads a link.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not request.htmx:  # type: ignore[attr-defined]
            return response
        if response.status_code == 302 and not _leads_back(request, response["Location"]):
            redirect = HttpResponseClientRedirect(response["Location"])
            redirect.cookies = response.cookies
            return redirect
        if getattr(response, "content", b"").startswith(b"<!doctype html>"):
            _swap_the_content(request, response)
        return response

    return middleware


def _leads_back(request: HttpRequest, location: str) -> bool:
    """Whether `location` is the page that sent the request. Its script follows the redirect by itself."""
    return urlsplit(location).path == path_that_asked(request)


def _swap_the_content(request: HttpRequest, response: HttpResponse) -> None:
    """base.html marks what else changes with the content: the announcements and the menu."""
    response["HX-Retarget"] = response["HX-Reselect"] = "#content"
    response["HX-Reswap"] = "outerHTML show:none"
    here = request.get_full_path()
    is_new = request.method == "GET" and here != address_that_asked(request)
    response["HX-Push-Url"] = here if is_new else "false"


def own_405(get_response: GetResponse) -> GetResponse:
    """Replaces Django's blank answer to a wrong method by a page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == 405 and not response.content:
            return method_not_allowed(request, response["Allow"])
        return response

    return middleware


class Limits:
    """Answers 429 with Retry-After wherever one of allauth's limits stopped somebody, and counts tries of emailed
    codes.

    allauth ends a code after three wrong tries, but counts them in the session. Somebody who sends many at once, or
    begins a new session each time, would have more tries.
    """

    CODE_PAGES = ("account_email_verification_sent", "account_confirm_password_reset_code")

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        seconds = held_up_seconds(request)
        if not seconds or response.status_code == 429:
            return response
        if response.status_code != 200:
            return too_many_requests(request)
        # A form that still contains what the person typed.
        response.status_code = 429
        response["Retry-After"] = str(seconds)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.url_name not in self.CODE_PAGES:
            return None
        return consume_or_429(request, "mailed_code")


class Deleted:
    """Answers 404 where a service found that its object was deleted in the meantime, in pages, admin and API alike.

    A member who lost a right in the meantime gets 403 with the reason, as they would from the page's first question.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, NoLongerAllowed) and str(exception):
            return forbidden(request, exception)
        return not_found(request) if isinstance(exception, Gone) else None


class AdminInput:
    """Answers 400 where a page of the admin gets something that cannot be an id.

    Django's own admin looks rows up by every value of a form's selection or of a default in the address. "x" or thirty
    digits raised, sometimes in the middle of a page. The log keeps the traceback.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        is_malformed = isinstance(exception, ValueError | OverflowError | DataError)
        if not (is_malformed and request.path.startswith("/admin/")):
            return None
        logger.warning("admin_input_refused", exc_info=exception)
        return bad_request(request)
