"""Whether a project stores the secrets of its keys."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from apikeys import audit_kinds
from apikeys.models import ApiKey
from projects.audit_log.recording import record
from projects.locks import lock_for
from projects.models import Project
from projects.permissions import Permission


class SecretsStored(Exception):
    """Secrets would be destroyed, and nobody has confirmed that."""


def _choose_show_once(project: Project, show_once: bool, by: User | None, address: str | None) -> None:
    """Records an event if this changes the project. Raises ProjectGone and NoLongerAllowed."""
    lock_for(project, by=by, can=Permission.MANAGE_PROJECT)
    if not Project.objects.filter(pk=project.pk, show_once=not show_once).update(show_once=show_once):
        return
    kind = audit_kinds.SHOWN_ONCE if show_once else audit_kinds.SHOWN_AGAIN
    record(kind, project=project, by=by, address=address)


def show_secrets_once(
    *, project: Project, by: User | None, may_destroy: bool = True, address: str | None = None
) -> int:
    """From now on secrets are shown only at creation. Destroys the stored secrets for good, and returns their number.

    Raises ProjectGone, NoLongerAllowed, and SecretsStored if there are stored secrets but not `may_destroy`.
    """
    with transaction.atomic():
        _choose_show_once(project, True, by, address)
        keys = list(project.api_keys.select_for_update(no_key=True).filter(ciphertext__isnull=False).order_by("pk"))
        if keys and not may_destroy:
            raise SecretsStored
        ApiKey.objects.filter(pk__in=[key.pk for key in keys]).update(ciphertext=None, ring_key_id="")
        for key in keys:
            record(audit_kinds.FORGOTTEN, project=project, key=key, by=by, address=address)
    project.show_once = True
    return len(keys)


def destroyed_at(key: ApiKey) -> datetime | None:
    """When the stored secret of a key was destroyed, by Stop storing secrets; None if it was not."""
    return key.events.filter(kind=audit_kinds.FORGOTTEN.code).values_list("at", flat=True).first()


def keep_secrets(*, project: Project, by: User | None, address: str | None = None) -> None:
    """Secrets of keys that are created from now on are stored. All owners get an email.

    Raises ProjectGone and NoLongerAllowed.
    """
    with transaction.atomic():
        _choose_show_once(project, False, by, address)
    project.show_once = False
