"""Emails that owners and developers never got, or must not get any more.

An email that was lost has told its reader nothing, so an address that it was about is new again.
"""

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import receiver
from django.utils import timezone

from accounts.models import User
from accounts.signals import account_deactivated, account_reactivated
from common.outbox import enqueueing
from common.outbox.models import Email, Lane, email_lost
from common.outbox.sealed_emails import digest_of
from projects.models import Membership


def forget_addresses(owners: QuerySet[Membership]) -> None:
    """From now on each address is new to these members (owner_emails.py)."""
    owners.update(mails_chosen_at=timezone.now())


def note_unwritten_emails(project_id: str) -> None:
    """The email about an event could not be written. The event is older than its commit."""
    owners = Membership.objects.filter(project__public_id=project_id)
    transaction.on_commit(partial(forget_addresses, owners), robust=True)


@receiver(email_lost)
def note_lost_email(email: Email, **kwargs: Any) -> None:
    if email.lane != Lane.OWNERS:
        return
    members = Membership.objects.filter(project__public_id=email.about)
    theirs = [
        pk for pk, address in members.values_list("pk", "user__email") if digest_of(address) == bytes(email.recipient)
    ]
    # Somebody who has another address by now cannot be told from the others.
    forget_addresses(members.filter(pk__in=theirs) if theirs else members)


@receiver(account_deactivated)
def withdraw_emails(user: User, **kwargs: Any) -> None:
    """The person gets neither the waiting news of the projects nor a waiting code."""
    projects = user.memberships.values_list("project__public_id", flat=True)
    enqueueing.withdraw(user.email, about=[*projects, "account"])


@receiver(account_reactivated)
def note_untold_owner(user: User, **kwargs: Any) -> None:
    """Nobody told the person of events during the deactivation, and waiting emails were deleted."""
    forget_addresses(user.memberships.all())
