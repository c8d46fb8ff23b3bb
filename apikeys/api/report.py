"""Where a leaked secret is reported: by anyone who has found it, and by GitHub's secret scanning."""

import time
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from ninja import BodyEx, Field, P, Router, Schema, Status
from ninja.security import APIKeyHeader
from pydantic import SecretStr

from accounts import allauth_internals
from apikeys.api import leak_reports
from apikeys.keys import services
from apikeys.leases import clocks, held_answers
from apikeys.refusals import SIGNATURE_REFUSED, TOO_MANY_REPORTS
from common import outages
from common.answers.envelope import Refused, envelope
from common.answers.refusals import NOT_FOUND, UNAVAILABLE
from common.answers.schemas import ErrorAnswer, ObjectAnswer
from common.client_address import client_address, network_of

# GitHub puts many matches into one message. The limit of a request's body allows about as many.
MOST_MATCHES = 1_000
MESSAGE = (
    "Thank you. If this is the secret of an API key of this server, requests using it are now rejected, "
    "and the owners of its project are notified."
)

TAKEN_BUT_BUSY = (
    "The report was taken, and the server is busy. Requests using the secret are rejected within a second. To hear "
    "that they are, send the report again."
)


class Report(Schema):
    # A SecretStr never shows its value, whatever prints it.
    secret: SecretStr = Field(description="The whole secret, as it was found.")
    source: str = Field(
        "",
        max_length=leak_reports.LONGEST_SOURCE,
        description="Where it was found, an http or https address; may be left out.",
    )


class Match(Schema):
    token: SecretStr = Field(description="The secret that was found.")
    url: str | None = Field(None, description="Where it was found.")


class Taken(Schema):
    message: str


class TakenAnswer(ObjectAnswer):
    data: Taken


class GithubSignature(APIKeyHeader):
    """Accepts a report that GitHub has signed, before the body is parsed. Raises Refused."""

    param_name = "Github-Public-Key-Signature"
    openapi_description = "ECDSA over the body, base64; `Github-Public-Key-Identifier` names the key of GitHub's."

    def authenticate(self, request: HttpRequest, key: str | None) -> bool:
        keys = leak_reports.parse_github_keys(settings.GITHUB_PUBLIC_KEYS)
        if not keys:
            raise Refused(NOT_FOUND, "This server takes no reports from GitHub: it was given no keys of GitHub's.")
        identifier = request.headers.get("Github-Public-Key-Identifier", "")
        if not leak_reports.is_signed_by_github(request.body, identifier=identifier, signature=key or "", keys=keys):
            raise Refused(SIGNATURE_REFUSED)
        return True


def _words(**of: str) -> dict[str, Any]:
    """An operation's own descriptions of answers, where the shared ones do not fit."""
    return {"responses": {int(status.removeprefix("_")): {"description": words} for status, words in of.items()}}


def _may_report(request: HttpRequest) -> bool:
    """Counts a report, and returns whether its address is within the limit of this minute."""
    if not settings.REPORTS_PER_MINUTE:
        return True
    rate = {"report": f"{settings.REPORTS_PER_MINUTE}/m/key"}
    key = f"{network_of(client_address(request))}:{int(time.time()) // 60}"
    return bool(allauth_internals.consume(request, "report", config=rate, key=key))


_TOO_LARGE = "The body is larger than any report is."
router = Router(tags=["Reports"])


@router.post(
    "",
    auth=None,
    response={202: TakenAnswer, **dict.fromkeys((400, 408, 413, 422, 429), ErrorAnswer)},
    operation_id="reportLeak",
    openapi_extra=_words(
        _202="The report is taken, whatever it was about.",
        _400="The body is not JSON.",
        _413=_TOO_LARGE,
    ),
)
@sensitive_variables()
def report(request: HttpRequest, leak: Report) -> Status[dict[str, Any]]:
    """Reports a secret that was found where it should not be. Needs no key; pauses the key that it belongs to.

    The answer is the same whether there is such a key or not.
    """
    began = clocks.now()
    if not _may_report(request):
        raise Refused(TOO_MANY_REPORTS)
    return _take(request, [(leak.secret, leak.source)], began)


@router.post(
    "/github",
    auth=GithubSignature(),
    response={202: TakenAnswer, **dict.fromkeys((400, 403, 404, 408, 413, 422), ErrorAnswer)},
    operation_id="reportLeaksFromGithub",
    openapi_extra=_words(
        _202="The reports are taken, whatever they were about.",
        _400="The body is not JSON.",
        _404="The server was given no keys of GitHub's.",
        _413=_TOO_LARGE,
    ),
)
@sensitive_variables()
def report_from_github(
    request: HttpRequest, matches: BodyEx[list[Match], P(max_length=MOST_MATCHES)]
) -> Status[dict[str, Any]]:
    """For GitHub's secret scanning partner programme: a list of secrets that were found in public."""
    return _take(request, [(match.token, match.url or "") for match in matches], clocks.now())


@sensitive_variables()
def _take(request: HttpRequest, leaks: list[tuple[SecretStr, str]], began: float) -> Status[dict[str, Any]]:
    """`began` is when the whole request was there: a client that sends its body slowly must not use up the time."""
    address = client_address(request)
    for secret, source in leaks:
        services.report_leak(
            secret=secret.get_secret_value().strip(), address=address, source=leak_reports.clean_source(source)
        )
    # The answer goes out at a fixed time, also where there was no such key. If it cannot be held back, the report was
    # still taken.
    try:
        held_answers.hold_report(began)
    except held_answers.TooManyHeld:
        outages.explain(f"Reports: {held_answers.CAUSE}")
        raise Refused(UNAVAILABLE, TAKEN_BUT_BUSY) from None
    # Without the query, which the sender wrote and which might contain a secret.
    body = envelope(request, kind="object", data={"message": MESSAGE}, links={"self": request.path})
    return Status(202, body)
