"""Tells the accounts, which know no invitations, which addresses are invited."""

from typing import Any

from django.dispatch import receiver
from django.utils import timezone

from accounts.signals import invitation_asked
from projects.invitations.models import Invitation
from projects.invitations.tokens import is_vouched_for


@receiver(invitation_asked)
def is_invited(email: str, **kwargs: Any) -> bool:
    """Whether an invitation to the address can be accepted now."""
    pending = Invitation.objects.pending().filter(email=email, expires_at__gt=timezone.now())
    return any(map(is_vouched_for, pending.filter(project__deleted_at=None).select_related("project")))
