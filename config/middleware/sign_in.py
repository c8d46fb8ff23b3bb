"""Middleware that finds out who is signed in, and ends unfinished sign-ins."""

from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import resolve_url

from accounts.requests import PageRequest, page_that_asked
from accounts.sign_in.pending import end_if_account_changed, remember_at_code
from accounts.sign_in.recent_authentication import ask_who_it_is
from accounts.ways import has_passwords, is_closed
from common.answers.announcements import warn
from config.errors import not_found

GetResponse = Callable[[HttpRequest], HttpResponse]


def lead_to_sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page, which leads back. A script that wants JSON gets its address. Without passwords, the admin has a
    sign-in page of its own, which nothing else leads to.

    A POST cannot be repeated after the sign-in, and a fragment is no page. So the person returns to the page that sent
    it. Only pages that need a sign-in have such a form. Its token was checked before, or a script of ours sent it.
    """
    page = request.get_full_path()
    if request.method not in {"GET", "HEAD"} or request.htmx:  # type: ignore[attr-defined]
        page = page_that_asked(request)
    if request.method not in {"GET", "HEAD", "OPTIONS", "TRACE"}:
        warn(request, "You were signed out. Nothing was changed.")
    match = request.resolver_match
    is_admin = match is not None and match.app_name == "admin" and not has_passwords()
    login = redirect_to_login(page, resolve_url("admin:login" if is_admin else settings.LOGIN_URL))
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"login": login["Location"]}, status=401)
    return login


class LoginRequired(LoginRequiredMiddleware):
    """Every view needs a sign-in unless it is marked otherwise. Afterwards the person returns to the page that they
    wanted.
    """

    # An open page sends these requests by itself. They do not show that a person is there.
    ASKED_BY_SCRIPT = ("apikeys:first_request",)

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        # Django's own middleware loads the user before it knows whether it matters: two queries for every check of a
        # key.
        if not getattr(view_func, "login_required", True):
            return None
        if request.user.is_authenticated:
            structlog.contextvars.bind_contextvars(user_id=request.user.public_id)
            if request.resolver_match is None or request.resolver_match.view_name not in self.ASKED_BY_SCRIPT:
                request.session.note_use()  # type: ignore[attr-defined]
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> HttpResponse:  # type: ignore[override]
        return lead_to_sign_in(request)


class WaysIn:
    """Answers 404 on the pages of passwords if SIGN_IN does not list them."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        return not_found(request) if is_closed(request) else None


class PendingSignIns:
    """Ends what waits for a code once the account has changed, before any page of it is shown."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if self._is_account_page(request):
            remember_at_code(request)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        if self._is_account_page(request):
            end_if_account_changed(request)

    def _is_account_page(self, request: HttpRequest) -> bool:
        match = request.resolver_match
        return match is not None and str(match.url_name).startswith(("account_", "mfa_"))


class AdminAsks:
    """Asks for a recent sign-in before the admin changes anything, because the admin can set anyone's password.

    Pausing keys stays quick, and so does re-enabling keys that nobody reported. The list can do no more: it leads
    reported keys to a page of their own, which asks.
    """

    QUICK = ("login", "logout", "apikeys_apikey_changelist")

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: PageRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        match = request.resolver_match
        is_change = match is not None and match.app_name == "admin" and match.url_name not in self.QUICK
        if not is_change or request.method in {"GET", "HEAD"} or not request.user.is_staff:
            return None
        return ask_who_it_is(request, back_to=page_that_asked(request))
