"""Accounts and the identities that open them, and the page where people connect and disconnect them.

The rows are allauth's: the provider is the issuer, the uid is the subject. An account has at most one identity of an
issuer.
"""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.allauth_internals import record_single_sign_on
from accounts.models import User
from accounts.requests import PageRequest
from accounts.sessions.session_list import end_sessions_after_change
from accounts.sign_in.recent_authentication import ask_who_it_is
from accounts.single_sign_on.identities import Identity
from accounts.single_sign_on.problems import Problem
from accounts.ways import has_single_sign_on, keeps_password, only_with_provider
from common.security_log import Event, record_on_commit

_PAGE = "single_sign_on_connections"
_EMAIL = "socialaccount/email/account_"


def user_of(identity: Identity) -> User | None:
    """The account that the identity opens. The row then has the address that the provider names today."""
    row = SocialAccount.objects.filter(provider=identity.issuer, uid=identity.subject).select_related("user").first()
    if row is None:
        return None
    if row.extra_data != _shown(identity):
        SocialAccount.objects.filter(pk=row.pk).update(extra_data=_shown(identity))
    user: User = row.user
    return user


def is_connected(user: Any) -> bool:
    """Whether today's provider knows the person."""
    rows = SocialAccount.objects.filter(user_id=user.pk, provider=settings.OIDC_ISSUER)
    return has_single_sign_on() and bool(rows.exists())


def has_any(user: User) -> bool:
    return bool(SocialAccount.objects.filter(user=user).exists())


def insert(user: User, identity: Identity) -> None:
    """Raises IntegrityError if an account has the identity."""
    SocialAccount.objects.create(user=user, provider=identity.issuer, uid=identity.subject, extra_data=_shown(identity))
    record_on_commit(Event.SINGLE_SIGN_ON_CONNECTED, account=user)


def add(request: HttpRequest, user: User, identity: Identity) -> None:
    """The same for an account that existed before. Its person gets an email. Raises Problem."""
    try:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)
            if SocialAccount.objects.filter(user=user, provider=identity.issuer).exists():
                raise _is_connected_already()
            insert(user, identity)
    except IntegrityError:
        raise _belongs_to_another() from None
    get_adapter(request).send_notification_mail(f"{_EMAIL}connected", user, {"provider_name": settings.OIDC_NAME})


def connect(request: PageRequest, identity: Identity) -> None:
    """Connects the signed-in person's account. Raises Problem."""
    holder = user_of(identity)
    if holder == request.user:
        return
    if holder is not None:
        raise _belongs_to_another()
    add(request, request.user, identity)


def _shown(identity: Identity) -> dict[str, str]:
    """All that is kept of what the provider says: the address, which the page of connected accounts shows."""
    return {"email": identity.address[:254]}


def _is_connected_already() -> Problem:
    text = f"Your account is connected with another account of {settings.OIDC_NAME}. Disconnect that one first."
    return Problem("connected_already", "Not connected", text)


def _belongs_to_another() -> Problem:
    text = f"This account of {settings.OIDC_NAME} is connected with another account here. Disconnect it there first."
    return Problem("connected_with_another_account", "Not connected", text)


# How a session was opened


def record_use(request: HttpRequest, user: User, identity: Identity, **facts: Any) -> None:
    """Notes in the session that the provider has just said who this is, and when the person signed in there."""
    said = {"provider": identity.issuer, "uid": identity.subject, **_shown(identity)}
    record_single_sign_on(request, user, **said, auth_time=identity.authenticated_at, **facts)


def own_of_session(request: HttpRequest, user: User) -> set[str]:
    """The subjects with which this session was, or is being, opened."""
    return {record["uid"] for record in get_authentication_records(request, user) if "uid" in record}


def claimed(request: HttpRequest, user: User) -> Identity | None:
    """Who wants to open the account from this browser, and is not connected with it until its address is confirmed."""
    records = [record for record in get_authentication_records(request, user) if "uid" in record]
    if not records or not records[-1].get("is_claim"):
        return None
    last = records[-1]
    return Identity(last["provider"], last["uid"], last["email"], False, last["auth_time"])


def drop_all_except(user: User, subjects: set[str]) -> None:
    if SocialAccount.objects.filter(user=user).exclude(uid__in=subjects).delete()[0]:
        record_on_commit(Event.SINGLE_SIGN_ON_DISCONNECTED, account=user)


# The page


@only_with_provider
@require_safe
def list_connections(request: PageRequest) -> HttpResponse:
    rows = SocialAccount.objects.filter(user=request.user).order_by("date_joined", "pk")
    context = {
        "connections": rows,
        "issuer": settings.OIDC_ISSUER,
        "is_connected": any(row.provider == settings.OIDC_ISSUER for row in rows),
        "has_other_way": _has_other_way(request.user),
    }
    return render(request, "single_sign_on/connections.html", context)


@only_with_provider
@require_POST
def disconnect(request: PageRequest) -> HttpResponse:
    """Removes the connection with `issuer`; the last way in stays."""
    if question := ask_who_it_is(request, back_to=reverse(_PAGE), again="disconnect the account again"):
        return question
    issuer = request.POST.get("issuer", "")
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=request.user.pk)
        if issuer == settings.OIDC_ISSUER and not _has_other_way(user):
            first = " Set a password first." if keeps_password(user) else ""
            messages.warning(request, f"This is your only way to sign in.{first}")
            return redirect(_PAGE)
        rows = SocialAccount.objects.filter(user=user, provider=issuer)
        if rows.delete()[0]:
            end_sessions_after_change(user)
            record_on_commit(Event.SINGLE_SIGN_ON_DISCONNECTED, account=user)
            name = settings.OIDC_NAME if issuer == settings.OIDC_ISSUER else issuer
            get_adapter(request).send_notification_mail(f"{_EMAIL}disconnected", user, {"provider_name": name})
    messages.info(request, "The account is disconnected.")
    return redirect(_PAGE)


def _has_other_way(user: User) -> bool:
    return keeps_password(user) and bool(user.has_usable_password())
