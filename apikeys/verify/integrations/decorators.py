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
    """Lets a request reach `view` only with a good key, as `request.identity`; others are answered the refusal.

    Programs have no form token and no session, so neither is asked for.
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
