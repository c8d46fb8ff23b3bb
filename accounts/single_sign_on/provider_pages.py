"""The pages that send people to the provider, and the one to which it sends them back.

A form does not redirect to the provider, because browsers block that unless the page's CSP names every host on the way
(`form-action`). Its answer is a page that moves on by itself.
"""

import secrets
import time
from typing import Any, cast
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.allauth_internals import consume_or_429, forget_suspended_form, has_state
from accounts.requests import PageRequest
from accounts.sign_in.recent_authentication import ask_who_it_is
from accounts.single_sign_on import connections, discovery
from accounts.single_sign_on.allauth_provider import (
    CONFIRM,
    CONNECT,
    SIGN_IN,
    Visit,
    address_to_visit,
    page_that_follows,
    take_visit,
)
from accounts.single_sign_on.conversation import Conversation
from accounts.single_sign_on.entering import enter
from accounts.single_sign_on.id_tokens import AUTH_TIME_LEEWAY_SECONDS
from accounts.single_sign_on.identities import Identity, identity_of, turn
from accounts.single_sign_on.problems import Problem, not_begun_here, page
from accounts.ways import only_with_provider
from common import outages
from common.security_log import Event, record

# With `max_age`, a provider has to say when the person signed in there (OpenID Connect Core 1.0, 2).
_SAY_WHEN = settings.SESSION_COOKIE_AGE
_FAILURES = {
    SIGN_IN: Event.SIGN_IN_FAILED,
    CONNECT: Event.SINGLE_SIGN_ON_REFUSED,
    CONFIRM: Event.IDENTITY_NOT_CONFIRMED,
}


@login_not_required
@only_with_provider
@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """Sends the person to the provider, to sign in."""
    return _visit(request, SIGN_IN, page_that_follows(request), max_age=_SAY_WHEN)


@only_with_provider
@require_POST
def begin_connecting(request: PageRequest) -> HttpResponse:
    """Sends a signed-in person to the provider, to connect the account."""
    here = reverse("single_sign_on_connections")
    question = ask_who_it_is(request, back_to=here, again=f"choose “Connect {settings.OIDC_NAME}” again")
    return question or _visit(request, CONNECT, here, max_age=_SAY_WHEN)


@only_with_provider
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: PageRequest) -> HttpResponse:
    """Asks who is there, and has the provider ask: it must not rely on an earlier sign-in."""
    back_to = page_that_follows(request)
    if not connections.is_connected(request.user):
        return redirect(back_to or "home")
    if request.method == "POST":
        return _visit(request, CONFIRM, back_to, prompt="login", max_age=0)
    ways = get_adapter().get_reauthentication_methods(request.user)
    query = urlencode({"next": back_to})
    others = [{**way, "url": f"{way['url']}?{query}"} for way in ways if way["id"] != "single_sign_on"]
    return render(request, "single_sign_on/confirm.html", {"back_to": back_to, "reauthentication_alternatives": others})


def _visit(request: HttpRequest, purpose: str, back_to: str, **parameters: Any) -> HttpResponse:
    if limit := consume_or_429(request, "single_sign_on"):
        return limit
    pk = request.user.pk if request.user.is_authenticated else None
    nonce = secrets.token_urlsafe(32)
    visit = Visit(purpose, nonce, verifier="", began_at=time.time(), user_pk=pk, back_to=back_to)
    try:
        address = address_to_visit(request, discovery.addresses(Conversation()), visit, **parameters)
    except Problem as problem:
        outages.log("single_sign_on_unavailable", problem.reason, issuer=settings.OIDC_ISSUER)
        return page(request, problem, back_to if pk else "")
    return render(request, "single_sign_on/leaving.html", {"address": address})


@login_not_required
@only_with_provider
@require_GET
def come_back(request: HttpRequest) -> HttpResponse:
    """The provider's answer, once for each visit."""
    visit = None
    try:
        if not has_state(request, request.GET.get("state", "")):
            raise not_begun_here()
        with turn(request):
            visit = take_visit(request)
            identity = identity_of(request, visit)
        if visit.purpose == SIGN_IN:
            return enter(request, identity, visit.back_to)
        if not request.user.is_authenticated or request.user.pk != visit.user_pk:
            raise not_begun_here()
        complete = _connected if visit.purpose == CONNECT else _confirmed
        return complete(cast(PageRequest, request), visit, identity)
    except Problem as problem:
        problem.keeps_visit = problem.keeps_visit and visit is None
        event = problem.event or _FAILURES[visit.purpose if visit else SIGN_IN]
        account = problem.account or (request.user if request.user.is_authenticated else None)
        record(event, account=account, reason=f"single_sign_on_{problem.reason}")
        return page(request, problem, visit.back_to if visit and request.user.is_authenticated else "")


def _connected(request: PageRequest, visit: Visit, identity: Identity) -> HttpResponse:
    if question := ask_who_it_is(request, back_to=visit.back_to):
        return question
    connections.connect(request, identity)
    messages.info(request, f"Your account is connected. You can sign in with {settings.OIDC_NAME} now.")
    return redirect(visit.back_to)


def _confirmed(request: PageRequest, visit: Visit, identity: Identity) -> HttpResponse:
    """A provider that did not ask again, or does not say when it asked, confirms nothing."""
    if connections.user_of(identity) != request.user:
        raise _not_confirmed("another_person", f"You chose another account at {settings.OIDC_NAME}.")
    if identity.authenticated_at < visit.began_at - AUTH_TIME_LEEWAY_SECONDS:
        raise _not_confirmed("auth_time", f"{settings.OIDC_NAME} did not ask you to sign in again.")
    forget_suspended_form(request)
    request.leads_to = visit.back_to  # type: ignore[attr-defined]
    connections.record_use(request, request.user, identity, reauthenticated=True)
    return redirect(visit.back_to or "home")


def _not_confirmed(reason: str, text: str) -> Problem:
    return Problem(reason, "Not confirmed", f"{text} Nothing was changed.")
