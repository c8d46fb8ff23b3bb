from typing import Any

from django.db import transaction
from django.dispatch import receiver

from accounts.models import User
from apikeys.audit_kinds import CHECK_ACCOUNTS
from apikeys.keys.services import delete_keys_of
from apikeys.leases.held_answers import hold_answer, note_change
from apikeys.usage.figures import Period, totals
from apikeys.usage.models import KeyCaller, KeyUse, ProjectUse
from common.plurals import counted
from projects.audit_log.kinds import Email
from projects.audit_log.owner_emails import tell_of_deleted_project
from projects.models import Project
from projects.permissions import Permission, one_who
from projects.signals import change_recorded, deleting_asked, deletion_begun, leaving_asked, project_deleted

_PROJECT_DELETED = Email(
    "deleted",
    "Project deleted",
    "The project and its API keys were deleted for good, and its files with them. Requests using the keys are now "
    "rejected.",
    f"If this was not you or someone you trust, {CHECK_ACCOUNTS}, and ask {{administrator}}.",
    section="",
    why=f"You get this email because you were {one_who(Permission.GET_MAILS)} of the project.",
)


@receiver(deletion_begun)
def hold_answer_to_deletion(**kwargs: Any) -> None:
    hold_answer()


@receiver(change_recorded)
def note_change_of_a_person(by: User | None, **kwargs: Any) -> None:
    """What time did to a key is nobody's change."""
    if by is not None:
        transaction.on_commit(note_change)


@receiver(project_deleted)
def delete_keys_of_project(project: Project, by: User | None, address: str | None, **kwargs: Any) -> None:
    """Runs in the transaction that deletes the project: deletes its keys, each with an event, and their use."""
    # The rows are locked in the order that usage/writing.py uses, deleted keys too. The writer then waits, and writes
    # none of their use. Only ids are read, because there may be a hundred thousand keys.
    list(project.api_keys.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    delete_keys_of(project=project, by=by, address=address)
    # Also for a project without living keys: its files are destroyed.
    tell_of_deleted_project(project, _PROJECT_DELETED, by, address)
    KeyUse.objects.filter(key__in=project.api_keys.all()).delete()
    KeyCaller.objects.filter(key__in=project.api_keys.all()).delete()
    ProjectUse.objects.filter(project=project).delete()


@receiver(leaving_asked)
def name_keys_of(project: Project, user: User, **kwargs: Any) -> list[str]:
    """The living keys for which the person is responsible."""
    return list(project.api_keys.alive().filter(responsible=user).order_by("name", "pk").values_list("name", flat=True))


@receiver(deleting_asked)
def count_keys_of(project: Project, **kwargs: Any) -> str:
    """The living keys, and their requests of the last 24 hours."""
    keys = list(project.api_keys.alive().values_list("pk", flat=True))
    requests = sum(calls.all for calls in totals(keys, Period.DAY).values())
    return f"{counted(len(keys), 'API key')} ({counted(requests, 'request')} in the last 24 hours)"
