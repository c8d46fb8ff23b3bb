"""The account is to be deleted: not while keys work, or may work again, in its name."""

from typing import Any

from django.dispatch import receiver
from django.urls import reverse

from accounts.models import User
from accounts.services import SHOWN, Obstacle, Thing
from accounts.signals import deletion_asked
from apikeys.models import ApiKey
from apikeys.responsible.known_names import name_known_to, name_of, projects_of
from projects.members.sole_owners import projects_of_nobody_else


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
    own = projects_of(user)
    advice = (
        "On the key's page, have another person take the key over, roll it for another person, or delete it. The "
        "owners of a project of which you are no longer a member can do this too."
    )
    shown = [_thing(key, user, key.project_id in own) for key in keys.select_related("project")[:SHOWN]]
    return [Obstacle("API keys for which you are responsible", advice, shown, total)]


def _thing(key: ApiKey, user: User, is_member: bool) -> Thing:
    if not is_member:
        known = name_known_to(user, key)
        return Thing(f"{known}, of which you are no longer a member: ask its owners to take the key over", "")
    page = reverse("apikeys:key", args=[key.project.public_id, key.public_id])
    return Thing(name_of(key), page)
