"""The page for a request that is refused because the process is busy. It offers the request again."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from common import outages
from common.names import looks_like_secret

_CAUSE = "This process has as much at hand as it may have at once (THREADS)."


def busy(request: HttpRequest, message: str, *, seconds: int = 1, cause: str = _CAUSE, back: str = "") -> HttpResponse:
    """503: `message` says what to do, and Retry-After says when. `cause` is for the log.

    `back` is the page with the form that was sent, for the forms that lead back there. The header X-Busy has the
    message for the script of a page, which stays as it is, with everything that was typed.
    """
    outages.explain(cause)
    context = {"message": message, "again": _again(request, back)}
    answer = render(request, "errors/busy.html", context, status=503)
    answer["Retry-After"] = str(seconds)
    answer["X-Busy"] = message
    return answer


def _again(request: HttpRequest, back: str) -> dict[str, Any] | None:
    """The address, and the fields of a form that was sent. None for a form with a password: no page contains one."""
    if request.method != "POST":
        return {"address": request.get_full_path()}
    if request.FILES or any("password" in name.lower() for name in request.POST):
        return None
    given = {name: request.POST.getlist(name) for name in request.POST if name != "csrfmiddlewaretoken"}
    given.setdefault("back", [back] if back else [])
    fields = [(name, value) for name, values in given.items() for value in values if not looks_like_secret(value)]
    return {"address": request.get_full_path(), "fields": fields, "is_form": True}
