"""Accounts whose address nobody has confirmed: somebody else may have registered the address in advance.

The person who confirms an address first, without a session of the account, gets the account without what was set up
before: by a reset of the password, a mailed invitation, the provider of single sign-on, or a mailed link.
"""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.core.mail import EmailMessage
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.addresses import DELETED
from accounts.allauth_internals import end_pending_sign_in, pending_reset, pending_sign_in
from accounts.models import User
from accounts.services import SHOWN, Lost
from accounts.sessions.session_list import end_sessions
from accounts.sign_in.pending import ENDED, remember_at_reset
from accounts.signals import account_cleared, closing_begun
from accounts.single_sign_on import connections
from accounts.single_sign_on.identities import Identity
from accounts.ways import is_administrator
from common.client_address import client_address
from common.outbox.enqueueing import enqueue
from common.plurals import counted
from common.security_log import Event, record_on_commit


def must_be_cleared(user: User) -> bool:
    """Whether its first confirmation takes away what was set up before."""
    return not is_confirmed(user) and not is_administrator(user)


def is_confirmed(user: User) -> bool:
    return bool(EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists())


def confirm_and_clear(
    user: User, *, session: str | None = None, subjects: Collection[str] = (), address: str | None = None
) -> list[str]:
    """Confirms the address for a person who has proven that they read its emails. Returns the keys that they lost.

    Takes away everything that could let in a person who registered the address in advance: the password, second
    factors, connections and sessions, except the session with the id `session` and the connections of `subjects`, which
    opened it. The name goes too, and what others could use in the person's name: nobody is responsible for something
    to which they never agreed. One email tells the person. An administrator's account is confirmed, and keeps
    everything. Called in a transaction that has sent `closing_begun`, and
    has locked the account.
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
    answers: list[tuple[Any, Any]] = account_cleared.send(
        sender=User, user=user, address=address, nobody=_account_of_nobody
    )
    lost = [one for _, several in answers for one in several]
    if lost:
        enqueue([_email_about(user, lost, address)], about=user.public_id)
    return [one.name for one in lost if one.is_key]


def _account_of_nobody() -> User:
    """A new deleted account. A key whose person is deleted works for nobody, until an owner takes it over."""
    user = User(is_active=False, deleted_at=timezone.now())
    user.email = f"{user.public_id}@{DELETED}".lower()
    user.set_unusable_password()
    user.save()
    return user


def _email_about(user: User, lost: list[Lost], address: str | None) -> EmailMessage:
    """Names everything. What an account can have is limited."""
    site = {"name": settings.BASE_URL, "domain": urlsplit(settings.BASE_URL).netloc}
    context = {"email": user.email, "lost": lost, "address": address, "current_site": site}
    subject = render_to_string("account/email/account_cleared_subject.txt").strip()
    text = render_to_string("account/email/account_cleared_message.txt", context).strip() + "\n"
    return EmailMessage(settings.EMAIL_SUBJECT_PREFIX + subject, text, to=[user.email])


def _forget_password_and_name(user: User) -> None:
    """Before the first sign-in, only an operator can have given the name."""
    user.set_unusable_password()
    if user.last_login is not None:
        user.name = user.first_name = user.last_name = ""
    user.save(update_fields=["password", "name", "first_name", "last_name"])


def say_what_was_paused(request: HttpRequest, paused: list[str]) -> None:
    if paused:
        further = f" and {counted(len(paused) - SHOWN)} more" if len(paused) > SHOWN else ""
        messages.warning(
            request,
            "Somebody else may have used this account before its email was confirmed. So its API keys were paused: "
            f"{', '.join(paused[:SHOWN])}{further}. You are not responsible for them any more. An owner of the project "
            "can take over those that are needed, and re-enable them. We emailed you what else was changed.",
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
        closing_begun.send(sender=User, user=user)
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
