"""What happens to projects and to their members, for the security log, whichever page, admin or command does it."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from common.security_log import Event, record_on_commit
from projects.models import Membership, Project
from projects.signals import project_deleted


@receiver(post_save, sender=Project)
def note_new_project(instance: Project, created: bool, **kwargs: Any) -> None:
    if created:
        record_on_commit(Event.PROJECT_CREATED, account=instance.created_by, project=instance.public_id)


@receiver(project_deleted)
def note_deleted_project(project: Project, by: Any, **kwargs: Any) -> None:
    record_on_commit(Event.PROJECT_DELETED, account=by, project=project.public_id)


@receiver(post_save, sender=Membership)
def note_member(instance: Membership, created: bool, **kwargs: Any) -> None:
    _record(Event.MEMBER_ADDED if created else Event.MEMBER_CHANGED, instance)


@receiver(post_delete, sender=Membership)
def note_removed_member(instance: Membership, **kwargs: Any) -> None:
    _record(Event.MEMBER_REMOVED, instance)


def _record(event: Event, membership: Membership) -> None:
    """`account` is the member's; the line's `user_id` says who did it."""
    record_on_commit(event, account=membership.user, project=membership.project.public_id, role=str(membership.role))
