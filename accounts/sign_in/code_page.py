"""The page that asks for the code of a sign-up, a sign-in or a new address."""

from typing import Any

from allauth.account.views import email_verification_sent
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from accounts import allauth_internals
from accounts.rate_limits import hold_up
from accounts.security_events import note_wrong_mailed_code
from accounts.sign_in.code_emails import NOT_SENT, own_email_allowed
from accounts.sign_in.nobody import look_up_no_address, look_up_nobody
from common.answers.announcements import announce


class CodePage(allauth_internals.CodePage):
    """allauth's page, with the same amount of work for an address that has an account as for a new one."""

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_form_kwargs()
        if kwargs.get("user", self) is None:
            look_up_nobody()
        return kwargs

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "not_sent": NOT_SENT in self.process.state}

    def before_resend(self) -> None:
        """Sends an email also if the address has an account. allauth sends none then, and the quick answer would show
        it.
        """
        if self.process.user is None:
            look_up_nobody()
            look_up_no_address()
        elif self.stage and not self.stage.login.signup:
            own_email_allowed(self.request, self.process.email)
        self.process.state.pop(NOT_SENT, None)

    def note_not_resent(self) -> None:
        self.process.state[NOT_SENT] = True
        hold_up(self.request)

    def note_wrong_code(self) -> None:
        note_wrong_mailed_code(self.request)


@login_not_required
def enter_code(request: HttpRequest) -> HttpResponseBase:
    """If addresses are confirmed by a link, the page says that the link was sent."""
    if request.method == "POST" and request.POST.get("action") == "cancel" and request.user.is_authenticated:
        return _cancel_change(request)
    page = CodePage.as_view() if settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED else email_verification_sent
    answer: HttpResponseBase = page(request)
    return answer


def _cancel_change(request: HttpRequest) -> HttpResponseBase:
    """A person who is signed in waits for the code of a new address."""
    if allauth_internals.pending_code(request):
        allauth_internals.end_pending_code(request)
        announce(request, "The change of your email was cancelled.")
    return redirect("account_email")
