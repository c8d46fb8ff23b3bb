"""Answers a request once all that it changed holds everywhere."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse

from accounts.requests import page_before_form
from apikeys.leases import held_answers
from common.answers.busy import busy
from common.client_address import client_address, network_of

_SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
_ABOUT_KEYS = ("/projects/", "/admin/")


class AnswersHeld:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with held_answers.one_answer(partial(_who, request)):
            response = self.get_response(request)
            # An error of the server tells nothing.
            if not getattr(request, "is_to_change", False) or response.status_code >= 500:
                return response
            try:
                held_answers.hold_unchanged()
            except held_answers.TooManyHeld:
                return _busy(request, held_answers.MESSAGE_AFTERWARDS)
            return response

    def process_view(self, request: HttpRequest, *view: Any) -> None:
        """Before the form is judged: it may end the session, or begin one."""
        request.is_to_change = _is_to_change_something(request)  # type: ignore[attr-defined]

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, held_answers.TooManyHeld):
            return None
        return _busy(request, held_answers.MESSAGE)


def _busy(request: HttpRequest, message: str) -> HttpResponse:
    return busy(request, message, cause=held_answers.CAUSE, back=page_before_form(request))


def _is_to_change_something(request: HttpRequest) -> bool:
    """Whether somebody who is signed in sends a form about keys, projects or, in the admin, accounts.

    Nobody else is told how a key is, and signing in must not wait.
    """
    is_form = request.method not in _SAFE and request.path_info.startswith(_ABOUT_KEYS)
    return is_form and request.user.is_authenticated


def _who(request: HttpRequest) -> str:
    """The account that is signed in; otherwise the network, as in every limit of an address."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return str(user.public_id)
    return network_of(client_address(request))
