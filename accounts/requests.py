from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.models import User


class PageRequest(HttpRequest):
    """The request that a page's view receives: LoginRequired has seen to the user, HtmxMiddleware to `htmx`."""

    user: User
    htmx: HtmxDetails
