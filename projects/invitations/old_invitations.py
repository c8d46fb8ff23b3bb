"""Deletes invitations that ended long ago. The audit log keeps who invited whom."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q

from projects.invitations.models import Invitation

KEPT = timedelta(days=30)
ROWS_A_STATEMENT = 500


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
