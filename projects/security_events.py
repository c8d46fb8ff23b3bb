"""What happens to projects and to their members, for the security log, whichever page, admin or command does it."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import User
from common.security_log import Event, record_on_commit
from projects.models import Project
from projects.permissions import Role
from projects.signals import member_changed, project_deleted


@receiver(post_save, sender=Project)
def note_new_project(instance: Project, created: bool, **kwargs: Any) -> None:
    if created:
        record_on_commit(Event.PROJECT_CREATED, account=instance.created_by, project=instance.public_id)


@receiver(project_deleted)
def note_deleted_project(project: Project, by: Any, **kwargs: Any) -> None:
    record_on_commit(Event.PROJECT_DELETED, account=by, project=project.public_id)


@receiver(member_changed)
def note_member(project: Project, user: User, before: Role | None, role: Role | None, **kwargs: Any) -> None:
    """`account` is the member's; the line's `user_id` says who did it."""
    changed = Event.MEMBER_CHANGED if before else Event.MEMBER_ADDED
    event = changed if role else Event.MEMBER_REMOVED
    record_on_commit(event, account=user, project=project.public_id, role=str(role or before))
