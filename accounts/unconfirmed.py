"""Accounts whose address nobody has confirmed: somebody else may have registered the address in advance.

The person who confirms an address first, without a session of the account, gets the account without what was set up
before: by a reset of the password, a mailed invitation, the provider of single sign-on, or a mailed link.
"""

from collections.abc import Collection
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django.shortcuts import redirect

from accounts.allauth_internals import end_pending_sign_in, pending_reset, pending_sign_in
from accounts.models import User
from accounts.services import SHOWN
from accounts.sessions.session_list import end_sessions
from accounts.sign_in.pending import ENDED, remember_at_reset
from accounts.signals import account_cleared
from accounts.single_sign_on import connections
from accounts.single_sign_on.identities import Identity
from accounts.ways import is_administrator
from common.client_address import client_address
from common.security_log import Event, record_on_commit


def must_be_cleared(user: User) -> bool:
    """Whether its first confirmation takes away what was set up before."""
    return not is_confirmed(user) and not is_administrator(user)


def is_confirmed(user: User) -> bool:
    return bool(EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists())


def confirm_and_clear(
    user: User, *, session: str | None = None, subjects: Collection[str] = (), address: str | None = None
) -> list[str]:
    """Confirms the address for a person who has proven that they read its emails. Returns the keys that were paused.

    Takes away everything that could let in a person who registered the address in advance: the password, second
    factors, connections and sessions, except the session with the id `session` and the connections of `subjects`, which
    opened it. The name goes too, and the keys of the account stop, because nobody acts in another person's name.
    An administrator's account is confirmed, and keeps everything. Called in a transaction that has locked the account.
    """
    if not is_confirmed(user):
        record_on_commit(Event.EMAIL_CONFIRMED, account=user)
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    if is_administrator(user):
        return []
    _forget_password_and_name(user)
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
    for factor in Authenticator.objects.filter(user=user):
        factor.delete()
    SocialAccount.objects.filter(user=user).exclude(uid__in=subjects).delete()
    end_sessions(user, but=session)
    record_on_commit(Event.ACCOUNT_CLEARED, account=user)
    answers: list[tuple[Any, Any]] = account_cleared.send(sender=User, user=user, address=address)
    return [name for _, names in answers for name in names]


def _forget_password_and_name(user: User) -> None:
    """Before the first sign-in, only an operator can have given the name."""
    user.set_unusable_password()
    if user.last_login is not None:
        user.name = user.first_name = user.last_name = ""
    user.save(update_fields=["password", "name", "first_name", "last_name"])


def say_what_was_paused(request: HttpRequest, paused: list[str]) -> None:
    if paused:
        further = f" and {len(paused) - SHOWN} more" if len(paused) > SHOWN else ""
        messages.warning(
            request,
            "Somebody else may have used this account before its email was confirmed. So its API keys were paused: "
            f"{', '.join(paused[:SHOWN])}{further}. Re-enable those that you know on their pages. An owner of the "
            "project can also take them over there.",
        )


@receiver(email_confirmed)
def clear_at_first_confirmation(request: HttpRequest, email_address: EmailAddress, **kwargs: object) -> None:
    """Whoever knows the account's password, and just confirms their sign-in or sign-up by a code, keeps it. Only
    another person's connection goes then.
    """
    user = email_address.user
    if request.user.pk == user.pk:
        return
    if identity := connections.claimed(request, user):
        _clear(request, user, identity=identity)
        return
    others = EmailAddress.objects.filter(user=user, verified=True).exclude(pk=email_address.pk)
    if others.exists():
        return
    own, signing_in = connections.own_of_session(request, user), pending_sign_in(request)
    if signing_in and signing_in.user_pk == user.pk and not pending_reset(request):
        connections.drop_all_except(user, own)
        return
    user = _clear(request, user, subjects=own)
    if pending_reset(request):
        # The reset goes on, although the account has just changed.
        remember_at_reset(request, user)


def _clear(
    request: HttpRequest, user: User, *, subjects: Collection[str] = (), identity: Identity | None = None
) -> User:
    """The account as it is now. `identity` is a person who came from the provider, and is connected with it."""
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if identity and is_administrator(user):
            _end_claim(request)
        paused = confirm_and_clear(user, subjects=subjects, address=client_address(request))
        if identity:
            connections.insert(user, identity)
    request.cleared_account = user  # type: ignore[attr-defined]
    say_what_was_paused(request, paused)
    return user


def _end_claim(request: HttpRequest) -> None:
    """Somebody has made the account an administrator's since its person came from the provider."""
    end_pending_sign_in(request)
    messages.warning(request, ENDED)
    raise ImmediateHttpResponse(redirect("account_login"))


def note_clearing(request: HttpRequest, user: User) -> None:
    """Called before a sign-in opens a session. A session names the account's password by a digest. The sign-in has read
    the account before the same request cleared it, so its session would end at once.
    """
    cleared = getattr(request, "cleared_account", None)
    if cleared is not None and cleared.pk == user.pk:
        user.password = cleared.password
