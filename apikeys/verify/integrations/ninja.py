"""For APIs made with django-ninja, such as Latchkey's own."""

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.security.http import HttpAuthBase

from apikeys.verify.integrations.judge import answer, judge, refused
from apikeys.verify.verification import Identity
from common.answers.envelope import Refused


class ApiKeyAuth(HttpAuthBase):
    """Raises Refused for a rejected request. An allowed one then has an `identity`.

    The identity is also `request.auth`, as with every authentication class of Ninja.
    """

    openapi_scheme = "bearer"
    openapi_description = "An API key of the project, as `Authorization: Bearer <key>`."

    def __call__(self, request: HttpRequest) -> Identity:
        verdict = judge(request)
        if verdict.identity is None:
            raise refused(request, verdict)
        return verdict.identity


def answer_refusals(api: NinjaAPI) -> None:
    """Makes `api` answer Refused in the envelope. Without it, nobody handles the exception of a rejected request."""

    @api.exception_handler(Refused)
    def refuse(request: HttpRequest, error: Refused) -> HttpResponse:
        return answer(request, error)
