"""For plain Django views."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from apikeys.verify.integrations.judge import answer, judge, refused

View = Callable[..., HttpResponseBase]


def api_key_required(view: View) -> View:
    """Calls `view` only for a good key, which becomes `request.identity`. Other requests are answered with the refusal.

    Programs have no form token and no session, so neither is required.
    """

    @csrf_exempt
    @login_not_required
    @wraps(view)
    def check(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        verdict = judge(request)
        if verdict.identity is None:
            return answer(request, refused(request, verdict))
        return view(request, *args, **kwargs)

    return check
