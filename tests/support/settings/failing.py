"""The product's settings and one middleware more: where a request asks for it, its view does its work, then fails."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from config.settings import *  # noqa: F403
from config.settings import MIDDLEWARE

MIDDLEWARE = [*MIDDLEWARE, "tests.support.settings.failing.FailAfterwards"]
# What says to whoever asked that it was this failure, and no other.
FAILED = "forced failure"


class FailAfterwards:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, arguments: Any, parameters: dict[str, Any]) -> None:
        """Raises what could not be worse: its text and a variable of its frame hold all that the view answers."""
        if not request.headers.get("X-Fail"):
            return
        try:
            told = getattr(view(request, *arguments, **parameters), "content", b"").decode(errors="replace")
        except Exception as error:  # it refuses, as a 404
            told = repr(error)
        raise RuntimeError(f"{FAILED} after {request.method} {request.path}: {told}")
