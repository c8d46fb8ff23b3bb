"""Forms that are submitted twice. allauth's forms check first and insert later. If a form is sent several times at
once, the database rejects all inserts except one.
"""

from collections.abc import Callable

import structlog
from allauth.account.utils import passthrough_next_redirect_url
from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

logger = structlog.get_logger(__name__)

# Pages with such a form, and the page that shows the result of the accepted form. After a sign-up this is the sign-in
# page, because the browser may have dropped the first answer together with its session. If the browser kept the
# session, the sign-in page leads on.
SEEN_AT = {
    "account_email": "account_email",
    "account_signup": "account_login",
    "mfa_activate_totp": "mfa_view_recovery_codes",
}


class DoubleSubmission:
    """Leads the sender of a second form to the result of the first one, because a double click is no mistake."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        name = request.resolver_match.url_name if request.resolver_match else None
        if name not in SEEN_AT or request.method != "POST" or not isinstance(exception, IntegrityError):
            return None
        # The log does not get the error's text, because PostgreSQL puts the address into it.
        logger.warning("submitted_twice", page=name, cause=type(exception.__cause__).__name__)
        if name == "account_signup":
            messages.info(request, "An account with this email has just been created.")
        return HttpResponseRedirect(passthrough_next_redirect_url(request, reverse(SEEN_AT[name]), "next"))
