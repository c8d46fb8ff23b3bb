"""Why a visit to the provider did not end in a sign-in, in words for the person."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from common import outages
from common.security_log import Event


class Problem(Exception):
    """`reason` is for the log. `title` and `text` are for the page.

    `retry_seconds` is when to try again; 0 if nothing says so. With `keeps_visit`, nothing was used up, and a reload of
    the page goes on.
    `offers_admin`: administrators can sign in another way, so the page leads to it where nobody else has a password.
    `event` is the line of the security log, if it is not that of the visit's purpose; `account` is whom it is about.
    """

    def __init__(self, reason: str, title: str, text: str, status: int = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(reason)
        self.reason, self.title, self.text, self.status = reason, title, text, status
        self.retry_seconds, self.keeps_visit = 0, False
        self.offers_admin = status == HTTPStatus.SERVICE_UNAVAILABLE
        self.event: Event | None = None
        self.account: Any = None


class Unavailable(Problem):
    """The provider cannot be reached, is slow, or answers what no provider answers."""

    def __init__(self, reason: str) -> None:
        name = settings.OIDC_NAME
        text = f"{name} cannot be used right now. Try again in a minute."
        super().__init__(reason, f"No answer from {name}", text, HTTPStatus.SERVICE_UNAVAILABLE)
        self.retry_seconds = 60


class Busy(Problem):
    """This process already has as many requests at the provider as it may have. The provider was not asked."""

    def __init__(self) -> None:
        text = "Too many people are signing in at this moment. Try again."
        super().__init__("too_many_at_once", "Try again", text, HTTPStatus.SERVICE_UNAVAILABLE)
        self.retry_seconds, self.keeps_visit = 1, True


class TooManyFailures(Problem):
    """The client's network has sent too many codes that the provider does not know. The provider was not asked."""

    def __init__(self, seconds: int) -> None:
        text = "Too many sign-ins from your network have failed. Try again in a minute."
        super().__init__("too_many_failed", "Too many attempts", text, HTTPStatus.TOO_MANY_REQUESTS)
        self.retry_seconds, self.keeps_visit = seconds, True


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


def not_signed_in_there(reason: str) -> Problem:
    """The provider sent the person back with an error, for example because they have to sign in there first."""
    text = f"{settings.OIDC_NAME} did not sign you in. Try again. If this happens again, ask an administrator."
    return Problem(reason, f"Not signed in at {settings.OIDC_NAME}", text)


def page(request: HttpRequest, problem: Problem, back_to: str = "") -> HttpResponse:
    """Says what happened and what to do. `back_to` is a page of ours; without it, the sign-in page is offered."""
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        outages.explain(problem.reason)
    may_reload = problem.keeps_visit and request.method == "GET"
    context = {"problem": problem, "back_to": back_to, "may_reload": may_reload}
    answer = render(request, "single_sign_on/problem.html", context, status=problem.status)
    if problem.retry_seconds:
        answer["Retry-After"] = str(problem.retry_seconds)
    return answer
