"""Whom a person asks who may not hand a key over themselves: owners, by the names that the person may read."""

from datetime import datetime

from django.db.models import Exists, OuterRef

from accounts.models import User
from projects.audit_kinds import MEMBER_CHANGED
from projects.audit_log.models import AuditEvent
from projects.models import Project
from projects.permissions import Permission

MOST_NAMED = 3
NOBODY_KNOWN = "an administrator of this server"


def owners_to_ask(project: Project, *, by: User, until: datetime | None = None) -> str:
    """In words, such as "ada@example.com or grace@example.com"; "" if the person may hand keys over themselves.

    `until` is when the person left the project: they read only of owners whom they knew as owners or members then, and
    whose role has not changed since.
    """
    owners = project.memberships.active().that(Permission.HAND_OVER_KEYS)
    if until is None and owners.filter(user=by).exists():
        return ""
    if until is not None:
        changes = AuditEvent.objects.filter(project=project, kind=MEMBER_CHANGED.code, at__gt=until)
        owners = owners.filter(~Exists(changes.filter(member=OuterRef("user"))), created_at__lte=until)
    names = list(owners.order_by("created_at", "pk").values_list("user__email", flat=True)[:MOST_NAMED])
    return " or ".join(names) or NOBODY_KNOWN
