"""What a person may read of keys in projects that they have left."""

from datetime import datetime

from django.db.models import Max

from accounts.models import User
from apikeys import audit_kinds
from apikeys.models import ApiKey
from projects.audit_kinds import MEMBER_LEFT, MEMBER_REMOVED, PROJECT_RENAMED
from projects.audit_log.models import AuditEvent
from projects.models import Membership


def projects_of(user: User) -> set[int]:
    """The primary keys of the projects of which the person is a member."""
    return set(Membership.objects.filter(user=user).values_list("project", flat=True))


def name_of(key: ApiKey) -> str:
    return f"{key.name} in {key.project.name}"


def left_at(user: User, project_pk: int) -> datetime | None:
    """When the person left the project last, or was removed; None if the audit log does not know."""
    ends = AuditEvent.objects.filter(project=project_pk, member=user, kind__in=[MEMBER_REMOVED.code, MEMBER_LEFT.code])
    at: datetime | None = ends.aggregate(at=Max("at"))["at"]
    return at


def name_known_to(user: User, key: ApiKey) -> str:
    """The names that the key and its project had when the person was a member last. They learn of no later name."""
    events = AuditEvent.objects.filter(project=key.project_id)
    gone_at = left_at(user, key.project_id)
    if gone_at is None or key.created_at > gone_at:
        return f"{key.public_id} in the project {key.project.public_id}"
    later = events.filter(at__gt=gone_at).order_by("at", "pk")
    key_names = later.filter(key=key, kind=audit_kinds.RENAMED.code).values_list("before", flat=True)
    project_names = later.filter(kind=PROJECT_RENAMED.code).values_list("before", flat=True)
    return f"{key_names.first() or key.name} in {project_names.first() or key.project.name}"
