"""Whether a project may have one more key, or a key of this name. Callers have locked the project."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from apikeys.standing import KeyState
from common.plurals import counted
from projects.models import Project


def refuse_taken(name: str, project: Project, *, besides: int = 0) -> None:
    """Raises ValidationError if a living key of the project has the name.

    The key with the primary key `besides` may have it.
    """
    # Compared here, under the project's lock, because databases fold different letters.
    names = dict(project.api_keys.alive().values_list("pk", "name"))
    if name.casefold() in {other.casefold() for pk, other in names.items() if pk != besides}:
        raise ValidationError("This project already has a key of that name. Choose another.", code="name_taken")


@contextmanager
def unique_name() -> Iterator[None]:
    """Around the statement that writes a name: the database's constraint has the last word. Raises ValidationError."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise ValidationError("This project already has a key of that name.", code="name_taken") from error


def refuse_name(name: str, project: Project) -> None:
    """Raises ValidationError for a name that is taken, or if the project has as many keys as it may."""
    refuse_taken(name, project)
    refuse_more(project)


def refuse_more(project: Project) -> None:
    """Raises ValidationError if the project has as many keys as it may. Keys that have ended do not count."""
    limit = settings.MAX_KEYS_PER_PROJECT
    if project.api_keys.not_ended().count() >= limit:
        raise ValidationError(
            f"This project has reached its limit of {counted(limit, 'key')}. Delete one that is no longer used.",
            code="too_many_keys",
        )


def refuse_too_many(project: Project) -> None:
    """Raises ValidationError if the project has created as many keys as it may. Deleted keys are never removed to make
    room, because the API answers `key_deleted` for them.
    """
    since = timezone.now() - timedelta(days=1)
    # All states are named, so that an index finds the keys.
    new = project.api_keys.filter(state__in=[*KeyState], created_at__gt=since).count()
    if new >= (limit := settings.MAX_NEW_KEYS_PER_DAY):
        raise ValidationError(
            f"This project has reached its limit of {counted(limit, 'new key')} in 24 hours. Try again later, or ask "
            "an administrator of this server for more.",
            code="too_many_new_keys",
        )
    deleted = project.api_keys.filter(state=KeyState.DELETED).count()
    if deleted >= (limit := settings.MAX_DELETED_KEYS_PER_PROJECT):
        raise ValidationError(
            f"This project has reached its limit of {counted(limit, 'deleted key')}. Create the key in another "
            "project, or ask an administrator of this server for more.",
            code="too_many_deleted_keys",
        )
