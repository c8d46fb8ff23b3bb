"""For plain Django views."""

from collections.abc import Callable
from functools import wraps
from typing import Any, overload

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from apikeys.verify.integrations.judge import answer, judge, refused, with_limits

View = Callable[..., HttpResponseBase]


@overload
def api_key_required(view: View) -> View: ...
@overload
def api_key_required(*, scope: str = "", cost: int = 1) -> Callable[[View], View]: ...


def api_key_required(view: View | None = None, *, scope: str = "", cost: int = 1) -> View | Callable[[View], View]:
    """Calls the view only for a good key, which becomes `request.identity`. Other requests get the refusal.

    `scope` names the scopes that the key needs, separated by spaces. `cost` says how many requests the call counts as
    for the key's limits. Programs have no form token and no session, so neither is required.
    """
    if view is None:
        return lambda view: _checked(view, scope.split(), cost)
    return _checked(view, [], 1)


def _checked(view: View, scopes: list[str], cost: int) -> View:
    @csrf_exempt
    @login_not_required
    @wraps(view)
    def check(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        verdict = judge(request, scopes, cost)
        if verdict.identity is None:
            return answer(request, refused(request, verdict))
        return with_limits(request, view(request, *args, **kwargs))

    return check
