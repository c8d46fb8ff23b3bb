"""The list of the places where a person is signed in.

The table is allauth's. allauth's own code would store the session's id, which is the cookie. This module stores the
digest of the id.
"""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.signals import password_changed, password_set, user_logged_in
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from accounts.requests import PageRequest
from accounts.sessions.store import alive, data_of, digest_of
from accounts.signals import account_deactivated
from common.security_log import Event, record_on_commit


@receiver(user_logged_in)
def note_sign_in(request: HttpRequest, **kwargs: object) -> None:
    sessions_of(request.user)
    note_session(request)


@receiver([password_set, password_changed])
def note_session(request: HttpRequest, **kwargs: object) -> None:
    """Puts the request's session on its user's list."""
    if not request.session.session_key:
        request.session.save()
    longest = UserSession._meta.get_field("user_agent").max_length
    UserSession.objects.update_or_create(
        session_key=digest_of(str(request.session.session_key)),
        defaults={
            "user": request.user,
            "ip": get_adapter().get_client_ip(request),
            "user_agent": request.META.get("HTTP_USER_AGENT", "")[:longest],
            "last_seen_at": timezone.now(),
        },
    )


def sessions_of(user: Any) -> list[Any]:
    """The user's sessions on the list, oldest first. Sessions that have ended are removed from the list."""
    listed = list(UserSession.objects.filter(user=user).order_by("created_at", "pk"))
    rows = alive().in_bulk([session.session_key for session in listed])
    ended = [session for session in listed if not _lets_in(rows.get(session.session_key), user)]
    UserSession.objects.filter(pk__in=[session.pk for session in ended]).delete()
    return [session for session in listed if session not in ended]


def _lets_in(row: Session | None, user: User) -> bool:
    """Whether the session is the user's and still works. A new password ends it."""
    if row is None:
        return False
    data = data_of(row)
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    found = str(data.get(HASH_SESSION_KEY, ""))
    return data.get(SESSION_KEY) == str(user.pk) and any(constant_time_compare(found, one) for one in hashes)


def end_sessions(user: User, *, but: str | None, only: int | None = None) -> int:
    """Ends the sessions on the user's list, except the session with the id `but`. Returns how many of them still
    worked.

    `only` is the primary key of the only row on the list that is to end.
    """
    others = UserSession.objects.filter(user=user).exclude(session_key=digest_of(str(but)))
    if only is not None:
        others = others.filter(pk=only)
    named = list(others.values_list("session_key", flat=True))
    with transaction.atomic():
        ended = alive().filter(pk__in=named).count()
        Session.objects.filter(pk__in=named).delete()
        UserSession.objects.filter(session_key__in=named).delete()
        if ended:
            record_on_commit(Event.SESSIONS_ENDED, account=user, number=ended)
    return ended


def end_other_sessions(request: PageRequest) -> int:
    """Ends every session on the user's list except the request's own."""
    return end_sessions(request.user, but=request.session.session_key)


def end_sessions_after_change(user: User) -> None:
    """Ends the other sessions of a user whose password or second factor changes. The page and the email say so.

    These sessions were opened under the old rule. The person's own session continues. All sessions of a person end if
    an administrator removes the person's second factor, or if the person resets a forgotten password.
    """
    request = context.request
    if request is None:
        return  # a command or an import did it
    is_own = request.user.pk == user.pk
    if end_sessions(user, but=request.session.session_key if is_own else None):
        request.ended_sessions = True
        if is_own:
            messages.info(request, "You are signed out everywhere else.")


def were_sessions_ended(request: HttpRequest | None) -> bool:
    """Whether the change that this request made ended sessions."""
    return getattr(request, "ended_sessions", False)


@receiver(post_save, sender=Authenticator)
def end_sessions_when_a_second_factor_comes(
    instance: Authenticator, created: bool, raw: bool = False, **kwargs: object
) -> None:
    """Runs in the transaction that changes the second factor. New recovery codes are a new row."""
    if created and not raw:
        end_sessions_after_change(instance.user)


@receiver(post_delete, sender=Authenticator)
def end_sessions_when_a_second_factor_goes(instance: Authenticator, **kwargs: object) -> None:
    end_sessions_after_change(instance.user)


@receiver(account_deactivated)
def end_sessions_of_deactivated_account(user: User, **kwargs: object) -> None:
    """They let nobody in anyway. But they must not work again when the account is reactivated."""
    end_sessions(user, but=None)


@require_http_methods(["GET", "HEAD", "POST"])
def list_sessions(request: PageRequest) -> HttpResponse:
    if request.method == "POST":
        end_other_sessions(request)
        get_adapter().add_message(request, messages.INFO, "usersessions/messages/sessions_logged_out.txt")
        return redirect("usersessions_list")
    current = digest_of(str(request.session.session_key))
    context = {"sessions": sessions_of(request.user), "current": current}
    return render(request, "usersessions/usersession_list.html", context)


@require_POST
def end_session(request: PageRequest, pk: int) -> HttpResponse:
    """Ends one of the user's other sessions, the row `pk` of the list. A session that has ended already, or is another
    person's, is quiet success.
    """
    end_sessions(request.user, but=request.session.session_key, only=pk)
    messages.info(request, "That session was signed out.")
    return redirect("usersessions_list")
