from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from common.names import CODE_LENGTH
from common.public_ids import new_public_id
from projects.permissions import Role


def new_invitation_id() -> str:
    return new_public_id("inv")


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def pending(self) -> InvitationQuerySet:
        """Invitations that nobody accepted or revoked. Some of them have expired, and can be sent again."""
        return self.filter(accepted_at=None, revoked_at=None)


class Invitation(models.Model):
    """An address that is invited to a project. Nothing else exists for the person before they accept.

    Only digests of its tokens are stored. The mailed token confirms the address of an account; the token of the link
    that a person copied does not, because that person may have no access to the address.
    """

    public_id = models.CharField(max_length=20, unique=True, default=new_invitation_id, editable=False)
    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="invitations")
    # In canonical form (accounts/addresses.py).
    email = models.EmailField()
    role = models.CharField(max_length=CODE_LENGTH, choices=Role.choices)
    # None for an operator's command.
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    mailed_digest = models.BinaryField(max_length=32, unique=True, null=True)
    link_digest = models.BinaryField(max_length=32, unique=True, null=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "email"],
                condition=Q(accepted_at=None, revoked_at=None),
                name="invitation_once_while_pending",
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="invitation_role_is_known"),
            models.CheckConstraint(
                condition=Q(accepted_at__isnull=True, accepted_by__isnull=True)
                | Q(accepted_at__isnull=False, accepted_by__isnull=False, revoked_at__isnull=True),
                name="invitation_accepted_by_a_person",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True)
                | Q(mailed_digest__isnull=True, link_digest__isnull=True),
                name="invitation_has_tokens_while_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.project} ({self.role})"

    @property
    def is_pending(self) -> bool:
        """Whether nobody accepted or revoked it. It may have expired."""
        return self.accepted_at is None and self.revoked_at is None

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at <= now
