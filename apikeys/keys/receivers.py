from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import User
from apikeys.keys import mails
from apikeys.keys.services import delete_keys_of
from apikeys.models import KeyEvent, KeyUse, ProjectUse
from common.security_log import record_on_commit
from projects.models import Project
from projects.permissions import Role
from projects.signals import member_changed, project_deleted


@receiver(member_changed)
def record_change_of_member(
    project: Project,
    user: User,
    before: Role | None,
    role: Role | None,
    by: User | None,
    address: str | None,
    **kwargs: Any,
) -> None:
    """Runs in the transaction that changes the member: writes the event, and has everybody concerned told by email."""
    changed = KeyEvent.Kind.MEMBER_CHANGED if before else KeyEvent.Kind.MEMBER_ADDED
    kind = changed if role else KeyEvent.Kind.MEMBER_REMOVED
    event = KeyEvent.objects.create(
        project=project, kind=kind, member=user, role=role or before or "", by=by, address=address
    )
    mails.tell_of_member(event)


@receiver(project_deleted)
def delete_keys_of_project(project: Project, by: User | None, address: str | None, **kwargs: Any) -> None:
    """Runs in the transaction that deletes the project: its keys stop with it, each with an event; their use goes."""
    # Locked in the order in which usage_sql locks them, deleted ones too: it then waits, and writes none of their use.
    # Only their ids are read: there may be a hundred thousand.
    list(project.api_keys.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    if delete_keys_of(project=project, by=by, address=address):
        mails.tell_of_deleted_project(project, by, address)
    KeyUse.objects.filter(key__in=project.api_keys.all()).delete()
    ProjectUse.objects.filter(project=project).delete()


@receiver(post_save, sender=KeyEvent)
def note_in_security_log(instance: KeyEvent, **kwargs: Any) -> None:
    """Every event that the services record is a line of the log too. Nothing is looked up for it.

    projects/security_events.py has the line of a changed member.
    """
    if instance.member_id:
        return
    key = instance.key
    is_loaded = KeyEvent.project.is_cached(instance)
    project = instance.project.public_id if is_loaded else None
    record_on_commit(f"key_{instance.kind}", account=instance.by, key=key and key.public_id, project=project)
