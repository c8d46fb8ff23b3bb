"""Middleware that drops a secret from the address of a page."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from common.answers.announcements import warn
from common.names import looks_like_secret
from config.errors import is_api

# A provider's code is random, so it may look like a secret. No page shows it.
_PROVIDERS_ANSWER = "single_sign_on_callback"
NOTHING_SEARCHED = "Nothing was searched, because this looks like an API key."


class PastedSecrets:
    """Drops each part of a page's query that contains something that looks like a secret, before anything reads it.

    Otherwise a search for it would come back in the field, in the links to other pages of the list, and in the address
    that a sign-in leads back to. `search_withheld` is what the lists then say. The admin's pages announce it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.META.get("QUERY_STRING") and not is_api(request) and request.path != reverse(_PROVIDERS_ANSWER):
            _drop_secrets(request)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        if request.path.startswith("/admin/") and (why := getattr(request, "search_withheld", "")):
            warn(request, why)


def _drop_secrets(request: HttpRequest) -> None:
    try:
        query = request.GET
    except SuspiciousOperation:  # too many fields: whoever reads the query answers 400
        return
    parts = [(name, value) for name, values in query.lists() for value in values]
    kept = [part for part in parts if not any(map(looks_like_secret, part))]
    if len(kept) == len(parts):
        return
    if any(map(looks_like_secret, query.getlist("q"))):
        request.search_withheld = NOTHING_SEARCHED  # type: ignore[attr-defined]
    rest = QueryDict(mutable=True)
    for name, value in kept:
        rest.appendlist(name, value)
    request.META["QUERY_STRING"] = rest.urlencode()
    del request.GET  # it is read again from QUERY_STRING
