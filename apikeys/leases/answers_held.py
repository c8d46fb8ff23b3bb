"""Answers a request once all that it changed holds everywhere."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apikeys.leases import held_answers
from common.answers.busy import busy


class AnswersHeld:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with held_answers.one_answer():
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return busy(request, held_answers.MESSAGE) if isinstance(exception, held_answers.TooManyHeld) else None
