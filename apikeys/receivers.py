from typing import Any

from django.dispatch import receiver

from accounts.models import User
from apikeys.models import KeyUse
from apikeys.services import delete_key
from projects.models import Project
from projects.signals import project_deleted


@receiver(project_deleted)
def delete_keys_of_project(project: Project, by: User | None, address: str | None, **kwargs: Any) -> None:
    """Runs in the transaction that deletes the project: its keys stop with it, each with an event; their use goes."""
    for key in project.api_keys.alive():
        delete_key(key=key, by=by, address=address)
    KeyUse.objects.filter(key__in=project.api_keys.all()).delete()
