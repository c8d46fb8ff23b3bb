"""Accounts whose address nobody has confirmed: somebody else may have registered the address in advance.

The person who confirms an address first, without a session of the account, gets the account without what was set up
before: by a reset of the password, a mailed invitation, the provider of single sign-on, or a mailed link.
"""

from collections.abc import Collection
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.allauth_internals import pending_reset, pending_sign_in
from accounts.models import User
from accounts.services import SHOWN
from accounts.sessions.session_list import end_sessions
from accounts.sign_in.pending import remember_at_reset
from accounts.signals import account_cleared
from accounts.single_sign_on import connections
from accounts.single_sign_on.identities import Identity
from common.client_address import client_address
from common.security_log import Event, record_on_commit


def is_confirmed(user: User) -> bool:
    return bool(EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists())


def confirm_and_clear(
    user: User, *, session: str | None = None, subjects: Collection[str] = (), address: str | None = None
) -> list[str]:
    """Confirms the address for a person who has proven that they read its emails. Returns the keys that were paused.

    Takes away everything that could let in a person who registered the address in advance: the password, second
    factors, connections and sessions, except the session with the id `session` and the connections of `subjects`, which
    opened it. The name goes too, and the keys of the account stop, because nobody acts in another person's name.
    Called in a transaction that has locked the account.
    """
    if not is_confirmed(user):
        record_on_commit(Event.EMAIL_CONFIRMED, account=user)
    user.set_unusable_password()
    user.name = user.first_name = user.last_name = ""
    User.objects.filter(pk=user.pk).update(password=user.password, name="", first_name="", last_name="")
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    for factor in Authenticator.objects.filter(user=user):
        factor.delete()
    SocialAccount.objects.filter(user=user).exclude(uid__in=subjects).delete()
    end_sessions(user, but=session)
    record_on_commit(Event.ACCOUNT_CLEARED, account=user)
    answers: list[tuple[Any, Any]] = account_cleared.send(sender=User, user=user, address=address)
    return [name for _, names in answers for name in names]


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
        paused = confirm_and_clear(user, subjects=subjects, address=client_address(request))
        if identity:
            connections.insert(user, identity)
    say_what_was_paused(request, paused)
    return user
