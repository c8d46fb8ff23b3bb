"""For APIs made with django-ninja, such as Latchkey's own."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.security.http import HttpAuthBase

from apikeys.verify.integrations.judge import answer, judge, refused
from apikeys.verify.key_lookup import Identity
from common.answers.envelope import Refused


class ApiKeyAuth(HttpAuthBase):
    """Raises Refused for a rejected request. An allowed one then has an `identity`.

    The identity is also `request.auth`, as with every authentication class of Ninja. `scope` names the scopes that the
    key needs, separated by spaces, or is a function that names them for a request. `cost` says how many requests the
    call counts as for the key's limits.
    """

    openapi_scheme = "bearer"
    openapi_description = "An API key of the project, as `Authorization: Bearer <key>`."

    def __init__(self, *, scope: str | Callable[[HttpRequest], str] = "", cost: int = 1) -> None:
        super().__init__()
        self.scope, self.cost = scope, cost

    def __call__(self, request: HttpRequest) -> Identity:
        scope = self.scope if isinstance(self.scope, str) else self.scope(request)
        verdict = judge(request, scope.split(), self.cost)
        if verdict.identity is None:
            raise refused(request, verdict)
        return verdict.identity


def answer_refusals(api: NinjaAPI) -> None:
    """Makes `api` answer Refused in the envelope. Without it, nobody handles the exception of a rejected request."""

    @api.exception_handler(Refused)
    def refuse(request: HttpRequest, error: Refused) -> HttpResponse:
        return answer(request, error)
