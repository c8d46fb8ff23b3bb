"""Why a visit to the provider did not end in a sign-in, in words for the person."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from common.security_log import Event


class Problem(Exception):
    """`reason` is for the log. `title` and `text` are for the page.

    `event` is the line of the security log, if it is not that of the visit's purpose; `account` is whom it is about.
    """

    def __init__(self, reason: str, title: str, text: str, status: int = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(reason)
        self.reason, self.title, self.text, self.status = reason, title, text, status
        self.event: Event | None = None
        self.account: Any = None


class Unavailable(Problem):
    """The provider cannot be reached, is slow, or answers what no provider answers."""

    def __init__(self, reason: str) -> None:
        name = settings.OIDC_NAME
        text = f"{name} cannot be used right now. Try again in a minute."
        super().__init__(reason, f"No answer from {name}", text, HTTPStatus.SERVICE_UNAVAILABLE)


class Refused(Problem):
    """The provider answered, but its answer proves nothing."""

    def __init__(self, reason: str) -> None:
        text = f"The answer of {settings.OIDC_NAME} did not prove who you are. Try again."
        super().__init__(reason, "Answer not accepted", f"{text} If this happens again, ask an administrator.")


def not_begun_here() -> Problem:
    """The answer belongs to no visit that this browser has begun, or was used before."""
    text = "This link was used before, is older than ten minutes, or was opened in another browser. Start again."
    return Problem("state", "Start again", text, HTTPStatus.BAD_REQUEST)


def cancelled() -> Problem:
    text = f"You left {settings.OIDC_NAME} before it was done. Nothing was changed."
    return Problem("cancelled", "Cancelled", text, HTTPStatus.OK)


def page(request: HttpRequest, problem: Problem, back_to: str = "") -> HttpResponse:
    """Says what happened and what to do. `back_to` is a page of ours; without it, the sign-in page is offered."""
    context = {"problem": problem, "back_to": back_to}
    answer = render(request, "single_sign_on/problem.html", context, status=problem.status)
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer["Retry-After"] = "60"
    return answer
