"""Tells the accounts, which know no invitations, which addresses are invited, and ends and deletes invitations.

An invitation ends for good when its person becomes a member in another way, or goes, and when its inviter may not
invite people any more. An old link then gives nobody a role, also if the inviter gets the right again. The audit log
keeps who invited whom when invitations that ended long ago are deleted.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.dispatch import receiver
from django.utils import timezone

from accounts.addresses import spellings
from accounts.models import User
from accounts.services import Lost
from accounts.signals import account_cleared, account_deactivated, account_deleted, invitation_asked
from projects.invitations.models import Invitation
from projects.invitations.services import revoke_pending
from projects.invitations.tokens import is_vouched_for
from projects.models import Project
from projects.permissions import Permission, Role, permissions_of
from projects.signals import member_changed

KEPT = timedelta(days=30)
ROWS_A_STATEMENT = 500


@receiver(invitation_asked)
def is_invited(email: str, **kwargs: Any) -> bool:
    """Whether an invitation to the address can be accepted now."""
    pending = Invitation.objects.pending().filter(email=email, expires_at__gt=timezone.now())
    return any(map(is_vouched_for, pending.filter(project__deleted_at=None).select_related("project")))


@receiver(member_changed)
def end_invitations_of_member(
    project: Project, user: User, role: Role | None, by: User | None, address: str | None, **kwargs: Any
) -> None:
    ended = Q(email__in=spellings(user.email))
    if role is None or Permission.MANAGE_MEMBERS not in permissions_of(role):
        ended |= Q(by=user)
    revoke_pending(project.invitations.filter(ended), by=by, address=address)


@receiver(account_deactivated)
def end_invitations_by_account(user: User, by: User | None, address: str | None, **kwargs: Any) -> None:
    revoke_pending(Invitation.objects.filter(by=user, project__deleted_at=None), by=by, address=address)


@receiver(account_cleared)
def end_invitations_by_cleared_account(user: User, address: str | None, **kwargs: Any) -> list[Lost]:
    """Somebody else may have sent them, to let themselves in later."""
    sent = Invitation.objects.pending().filter(by=user, project__deleted_at=None).select_related("project")
    ended = [Lost("Invitation ended", f"{one.email} to {one.project.name}") for one in sent.order_by("pk")]
    revoke_pending(sent, by=user, address=address)
    return ended


@receiver(account_deleted)
def end_invitations_by_deleted_account(user: User, address: str | None, **kwargs: Any) -> None:
    """The memberships end first, and most invitations with them."""
    revoke_pending(Invitation.objects.filter(by=user, project__deleted_at=None), by=user, address=address)


def delete_old_invitations(now: datetime) -> Iterator[None]:
    """Each step deletes some of those that were accepted, revoked or expired 30 days ago."""
    since = now - KEPT
    pending = Q(accepted_at=None, revoked_at=None)
    old = Invitation.objects.filter(
        Q(accepted_at__lt=since) | Q(revoked_at__lt=since) | (pending & Q(expires_at__lt=since))
    ).order_by("pk")
    while pks := list(old.values_list("pk", flat=True)[:ROWS_A_STATEMENT]):
        # The condition again, because an expired invitation can be sent again.
        old.filter(pk__in=pks).delete()
        yield
