"""For APIs made with django-ninja, as Latchkey's own is."""

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.security.http import HttpAuthBase

from apikeys.verify.integrations.judge import answer, judge, refused
from apikeys.verify.verification import Identity
from common.answers.envelope import Refused


class ApiKeyAuth(HttpAuthBase):
    """Raises Refused for a request that may not pass; one that may has an `identity` from here on.

    The identity is `request.auth` too, as with every authentication of Ninja's.
    """

    openapi_scheme = "bearer"
    openapi_description = "An API key of the project, as `Authorization: Bearer <key>`."

    def __call__(self, request: HttpRequest) -> Identity:
        verdict = judge(request)
        if verdict.identity is None:
            raise refused(request, verdict)
        return verdict.identity


def answer_refusals(api: NinjaAPI) -> None:
    """Has `api` answer Refused in the envelope. Without it, a refused request is an exception that nobody handles."""

    @api.exception_handler(Refused)
    def refuse(request: HttpRequest, error: Refused) -> HttpResponse:
        return answer(request, error)
