from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from accounts.models import User
from common.names import looks_like_secret


class PageRequest(HttpRequest):
    """The request of a page's view: LoginRequired has checked the user, and HtmxMiddleware has set `htmx`."""

    user: User
    htmx: HtmxDetails


def address_that_asked(request: HttpRequest) -> str:
    """The path and query of the page whose script sent the request; "" if no page of ours did."""
    try:
        parts = urlsplit(request.htmx.current_url or "")  # type: ignore[attr-defined]
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def path_that_asked(request: HttpRequest) -> str:
    return address_that_asked(request).partition("?")[0]


def page_that_asked(request: HttpRequest) -> str:
    """The page of ours whose form or script sent the request, with its search and page number; otherwise the first
    page. A query that contains a secret is left out, because the answer would store it or send it back.
    """
    return _own_page(request, request.headers.get("Referer", "")) or resolve_url(settings.LOGIN_REDIRECT_URL)


def page_before_form(request: HttpRequest) -> str:
    """The same for a form that may have a page of its own: there, its field `back` names the page that led to it."""
    return _own_page(request, request.POST.get("back", "")) or page_that_asked(request)


def page_of_list(request: HttpRequest, address: str) -> str:
    """The page at `address`, with the search and page number that it had when the person left it."""
    page = page_before_form(request)
    return page if page.partition("?")[0] == address else address


def _own_page(request: HttpRequest, address: str) -> str:
    """The path and query of a page of ours; "" for any other address."""
    if url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure()):
        parts = urlsplit(address)
        has_query = parts.query and not looks_like_secret(unquote(parts.query))
        page = f"{parts.path}?{parts.query}" if has_query else parts.path
        if page.startswith("/") and url_has_allowed_host_and_scheme(page, None):
            return page
    return ""
