"""For projects whose views are checked by django-ninja or the REST framework."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from apikeys.verify.integrations.judge import with_limits

Handler = Callable[[HttpRequest], HttpResponseBase]


def limit_fields(get_response: Handler) -> Handler:
    """Adds the fields that tell what is left of a key's limits to the answers of checked requests."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        return with_limits(request, get_response(request))

    return answer
