"""Answers a request once all that it changed holds everywhere."""

from collections.abc import Callable
from functools import partial

from django.http import HttpRequest, HttpResponse

from accounts.requests import page_before_form
from apikeys.leases import held_answers
from common.answers.busy import busy
from common.client_address import client_address, network_of


class AnswersHeld:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with held_answers.one_answer(partial(_who, request)):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, held_answers.TooManyHeld):
            return None
        return busy(request, held_answers.MESSAGE, cause=held_answers.CAUSE, back=page_before_form(request))


def _who(request: HttpRequest) -> str:
    """The account that is signed in; otherwise the network, as in every limit of an address."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return str(user.public_id)
    return network_of(client_address(request))
