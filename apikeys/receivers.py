from typing import Any

from django.dispatch import receiver

from accounts.models import User
from apikeys import mails
from apikeys.models import KeyEvent, KeyUse, ProjectUse
from apikeys.services import delete_keys_of
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
