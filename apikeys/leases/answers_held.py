"""Answers a request once all that it changed holds everywhere."""

from collections.abc import Callable
from functools import partial

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
            if not _was_to_change_something(request, response):
                return response
            try:
                held_answers.hold_unchanged()
            except held_answers.TooManyHeld:
                return _busy(request, held_answers.MESSAGE_AFTERWARDS)
            return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, held_answers.TooManyHeld):
            return None
        return _busy(request, held_answers.MESSAGE)


def _busy(request: HttpRequest, message: str) -> HttpResponse:
    return busy(request, message, cause=held_answers.CAUSE, back=page_before_form(request))


def _was_to_change_something(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether somebody who is signed in sent a form about keys, projects or, in the admin, accounts.

    Nobody else is told how a key is, and signing in must not wait. An error of the server tells nothing either.
    """
    if request.method in _SAFE or not request.path_info.startswith(_ABOUT_KEYS) or response.status_code >= 500:
        return False
    return bool(getattr(request, "user", None) and request.user.is_authenticated)


def _who(request: HttpRequest) -> str:
    """The account that is signed in; otherwise the network, as in every limit of an address."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return str(user.public_id)
    return network_of(client_address(request))
