"""The account is to be deleted: not while keys work, or may work again, in its name."""

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver
from django.urls import reverse

from accounts.models import User
from accounts.services import SHOWN, Obstacle, Thing
from accounts.signals import deletion_asked
from apikeys.models import ApiKey
from apikeys.responsible.known_names import left_at, name_known_to, name_of, projects_of
from apikeys.responsible.owners_to_ask import NOBODY_KNOWN, owners_to_ask
from projects.members.sole_owners import projects_of_nobody_else
from projects.models import Project


@receiver(deletion_asked)
def tell_keys_of(user: User, **kwargs: Any) -> list[Obstacle]:
    """Living keys for which the person is responsible: they would stop, or answer with the name of nobody.

    Those of projects that only the person owns are left out, because these projects stand in the way themselves.
    """
    others = ApiKey.objects.alive().filter(responsible=user, project__deleted_at=None)
    keys = others.exclude(project__in=projects_of_nobody_else(user)).order_by("project", "pk")
    total = keys.count()
    if not total:
        return []
    advice = (
        "On the key's page, hand the key over to another person, or delete it. Where you may not do that, ask an owner "
        "of the project to take the key over."
    )
    shown = _things(list(keys.select_related("project")[:SHOWN]), user)
    return [Obstacle("API keys for which you are responsible", advice, shown, total)]


def _things(keys: Sequence[ApiKey], user: User) -> list[Thing]:
    own = projects_of(user)
    ask = {key.project_id: _whom_to_ask(key.project, user, key.project_id in own) for key in keys}
    return [_thing(key, user, key.project_id in own, ask[key.project_id]) for key in keys]


def _whom_to_ask(project: Project, user: User, is_member: bool) -> str:
    """What a line says after the key's name; "" if the person may hand the project's keys over themselves."""
    if is_member:
        people = owners_to_ask(project, by=user)
    else:
        gone_at = left_at(user, project.pk)
        people = owners_to_ask(project, by=user, until=gone_at) if gone_at else NOBODY_KNOWN
    return f": ask {people} to take the key over" if people else ""


def _thing(key: ApiKey, user: User, is_member: bool, ask: str) -> Thing:
    if not is_member:
        return Thing(f"{name_known_to(user, key)}, of which you are no longer a member{ask}", "")
    page = reverse("apikeys:key", args=[key.project.public_id, key.public_id])
    return Thing(name_of(key), page, ask)
