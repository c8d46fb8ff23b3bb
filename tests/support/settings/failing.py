"""The product's settings with one more middleware: if a request asks for it, the view does its work and then fails."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from config.settings import *  # noqa: F403
from config.settings import MIDDLEWARE

MIDDLEWARE = [*MIDDLEWARE, "tests.support.settings.failing.FailAfterwards"]
# Marks this failure, so that the caller can tell it from any other.
FAILED = "forced failure"


class FailAfterwards:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, arguments: Any, parameters: dict[str, Any]) -> None:
        """Raises the worst case: the error's text and a variable of its frame contain the view's whole answer."""
        if not request.headers.get("X-Fail"):
            return
        try:
            told = getattr(view(request, *arguments, **parameters), "content", b"").decode(errors="replace")
        except Exception as error:  # the view rejects the request, for example with 404
            told = repr(error)
        raise RuntimeError(f"{FAILED} after {request.method} {request.path}: {told}")
