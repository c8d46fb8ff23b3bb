"""Asks for a recent sign-in before actions with a high cost, because somebody else may have found an open session.

allauth has the pages and the ways to confirm (password, passkey, code). Our rule decides when a session is asked, for
keys and accounts alike: when its last sign-in or confirmation is older than ACCOUNT_REAUTHENTICATION_TIMEOUT.
"""

import time
from typing import Any
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.signals import authentication_step_completed, user_signed_up
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib import messages
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse

from accounts.allauth_internals import record_password
from accounts.models import User
from accounts.requests import PageRequest

# An emailed code, which resets a password, confirms nobody.
CONFIRMING = {"password", "mfa", "socialaccount"}

_INTERRUPTED = "interrupted_action"  # in the session


def was_recent(request: HttpRequest) -> bool:
    """Whether the person signed in with this session, or confirmed who they are, within the time allowed."""
    records = get_authentication_records(request, request.user)
    last = max((_confirmed_at(record) for record in records if record["method"] in CONFIRMING), default=0)
    return bool(time.time() - last < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)


def _confirmed_at(record: dict[str, Any]) -> float:
    """A provider of single sign-on may let people in who signed in there long ago. Their own sign-in there counts."""
    return float(record.get("auth_time", record["at"]))


def ask_who_it_is(request: PageRequest, *, back_to: str, again: str = "do it again") -> HttpResponse | None:
    """The answer that leads to the confirmation and then to `back_to`; None if the last confirmation is recent enough.

    A script that wants JSON gets the address, as from LoginRequired. Views call this once they know that the person has
    the right, so that strangers learn nothing. An interrupted action is not carried out after the confirmation, because
    the person might not remember it. The page then says so, and `again` tells what to do.
    """
    address = _page_that_asks(request, back_to)
    if address is None:
        return None
    if request.method in {"GET", "HEAD"}:
        request.session.pop(_INTERRUPTED, None)  # the page itself follows
    else:
        request.session[_INTERRUPTED] = {"back_to": back_to, "again": again}
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"login": address}, status=401)
    return HttpResponseRedirect(address)


def _page_that_asks(request: PageRequest, back_to: str) -> str | None:
    if was_recent(request):
        return None
    ways = get_adapter().get_reauthentication_methods(request.user)
    if not ways:
        return None  # as in allauth: an account without password and second factor has nothing to confirm with
    return f"{ways[0]['url']}?{urlencode({'next': back_to})}"


@receiver(authentication_step_completed)
def say_what_was_not_done(request: HttpRequest, **kwargs: object) -> None:
    """Announces, on the page after a confirmation, that the interrupted action was not carried out."""
    interrupted = request.session.get(_INTERRUPTED)
    if not kwargs.get("reauthenticated") or not interrupted:
        return
    # Another confirmation leads elsewhere, and its interrupted form may continue by itself.
    if interrupted["back_to"] == getattr(request, "leads_to", request.POST.get("next", request.GET.get("next"))):
        del request.session[_INTERRUPTED]
        text = f"Thanks for confirming it's you. Nothing has been done yet: {interrupted['again']}."
        messages.warning(request, text)


def ask_and_resume(request: PageRequest) -> None:
    """Raises an exception that leads to the confirmation. The form is then carried out without being sent again.

    allauth keeps the form in the session meanwhile. This is only for forms that read: a change might happen later than
    the person remembers.
    """
    if _page_that_asks(request, ""):
        raise ReauthenticationRequired


@receiver(user_signed_up)
def signing_up_is_signing_in(request: HttpRequest, user: User, **kwargs: object) -> None:
    """Records the password that a person has just chosen. allauth records passwords that are typed later."""
    record_password(request, user)
