"""Deleting one's own account. Its row stays, because keys and events name it, with nothing that tells who it was."""

import secrets
from typing import Any
from urllib.parse import urlsplit

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.addresses import DELETED
from accounts.models import User
from accounts.services import Obstacle
from accounts.sessions.session_list import end_sessions
from accounts.signals import account_deleted, closing_begun, deletion_asked
from common.outbox.enqueueing import enqueue, withdraw
from common.security_log import Event, record_on_commit


class StillNeeded(Exception):
    """The account cannot be deleted yet. `obstacles_of` tells why."""


def obstacles_of(user: User) -> list[Obstacle]:
    """Why the account cannot be deleted now; nothing if it can."""
    answers: list[tuple[Any, Any]] = deletion_asked.send(sender=User, user=user)
    found = [obstacle for _, obstacles in answers for obstacle in obstacles]
    if user.is_superuser and not _other_superusers(user).exists():
        advice = "Ask an administrator of this server to make another account a superuser first."
        found.append(Obstacle("You are the only superuser of this server", advice, [], 1))
    return found


def _other_superusers(user: User) -> Any:
    return User.objects.filter(is_superuser=True, is_active=True, deleted_at=None).exclude(pk=user.pk)


def delete_account(*, user: User, address: str | None = None) -> None:
    """Deletes the account for good. An account that is deleted already stays as it is.

    Raises StillNeeded, and changes nothing, while something hangs on the account.
    """
    with transaction.atomic():
        # Projects before accounts, as everywhere.
        closing_begun.send(sender=User, user=user)
        superusers = User.objects.filter(is_superuser=True) if user.is_superuser else User.objects.none()
        locked = (superusers | User.objects.filter(pk=user.pk)).select_for_update().order_by("pk")
        user = next(one for one in locked if one.pk == user.pk)
        if user.deleted_at is not None:
            return
        if obstacles_of(user):
            raise StillNeeded
        account_deleted.send(sender=User, user=user, address=address)
        former = user.email
        _clear(user)
        # The only email that still goes there.
        withdraw(former)
        enqueue([_farewell(former)], about=user.public_id)
        record_on_commit(Event.ACCOUNT_DELETED, account=user)


def _clear(user: User) -> None:
    """Takes away every way in and everything that tells who the person was, except the id."""
    end_sessions(user, but=None)
    for model in (Authenticator, SocialAccount, EmailAddress):
        model.objects.filter(user=user).delete()
    user.groups.clear()
    user.user_permissions.clear()
    user.email, user.former_email = _address_of_nobody(user), None
    user.name = user.first_name = user.last_name = ""
    user.is_active = user.is_staff = user.is_superuser = False
    user.deleted_at = timezone.now()
    user.set_unusable_password()
    user.save()


def _address_of_nobody(user: User) -> str:
    """Nobody can take such an address. An account that took it before it was reserved does not stop the deletion."""
    local = user.public_id.lower()
    taken = User.objects.filter(email__iexact=f"{local}@{DELETED}").exclude(pk=user.pk).exists()
    return f"{local}-{secrets.token_hex(8)}@{DELETED}" if taken else f"{local}@{DELETED}"


def _farewell(address: str) -> EmailMessage:
    site = {"name": settings.BASE_URL, "domain": urlsplit(settings.BASE_URL).netloc}
    subject = render_to_string("account/email/account_deleted_subject.txt").strip()
    text = render_to_string("account/email/account_deleted_message.txt", {"email": address, "current_site": site})
    return EmailMessage(settings.EMAIL_SUBJECT_PREFIX + subject, text.strip() + "\n", to=[address])
