"""New and deleted projects, for the security log. Events of the audit log write their own lines, see audit_log/."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from common.security_log import Event, record_on_commit
from projects.models import Project
from projects.signals import project_deleted


@receiver(post_save, sender=Project)
def note_new_project(instance: Project, created: bool, **kwargs: Any) -> None:
    if created:
        record_on_commit(Event.PROJECT_CREATED, account=instance.created_by, project=instance.public_id)


@receiver(project_deleted)
def note_deleted_project(project: Project, by: Any, **kwargs: Any) -> None:
    record_on_commit(Event.PROJECT_DELETED, account=by, project=project.public_id)
