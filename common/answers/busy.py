"""The page for a request that is refused because the process is busy."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from common import outages


def busy(request: HttpRequest, message: str, *, seconds: int = 1) -> HttpResponse:
    """503: `message` says what to do, and Retry-After says when."""
    outages.explain("This process has as much at hand as it may have at once (THREADS).")
    answer = render(request, "errors/busy.html", {"message": message}, status=503)
    answer["Retry-After"] = str(seconds)
    return answer
