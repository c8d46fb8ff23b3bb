from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import User
from apikeys import mails
from apikeys.models import KeyEvent, KeyUse, ProjectUse
from apikeys.services import delete_key
from common.security_log import record_on_commit
from projects.models import Project
from projects.signals import project_deleted


@receiver(project_deleted)
def delete_keys_of_project(project: Project, by: User | None, address: str | None, **kwargs: Any) -> None:
    """Runs in the transaction that deletes the project: its keys stop with it, each with an event; their use goes."""
    # Locked in the order in which usage_sql locks them, deleted ones too: it then waits, and writes none of their use.
    # Only their ids are read: there may be a hundred thousand.
    list(project.api_keys.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    living = list(project.api_keys.alive().order_by("pk"))
    for key in living:
        delete_key(key=key, by=by, address=address)
    if living:
        mails.tell_of_deleted_project(project, by, address)
    KeyUse.objects.filter(key__in=project.api_keys.all()).delete()
    ProjectUse.objects.filter(project=project).delete()


@receiver(post_save, sender=KeyEvent)
def note_in_security_log(instance: KeyEvent, **kwargs: Any) -> None:
    """Every event that the services record is a line of the log too. Nothing is looked up for it."""
    key = instance.key
    is_loaded = KeyEvent.project.is_cached(instance)
    project = instance.project.public_id if is_loaded else None
    record_on_commit(f"key_{instance.kind}", account=instance.by, key=key and key.public_id, project=project)
