"""Offers end when the person to whom a key is offered cannot be responsible for it any more.

The services of keys end the offers of keys that are deleted, and handing a key over ends its offer.
"""

from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import account_deactivated
from apikeys.hand_over.models import KeyOffer
from projects.models import Project
from projects.permissions import Permission, Role, permissions_of
from projects.signals import member_changed


@receiver(account_deactivated)
def end_offers_to_account(user: User, **kwargs: Any) -> None:
    KeyOffer.objects.filter(to=user).delete()


@receiver(member_changed)
def end_offers_to_member(project: Project, user: User, role: Role | None, **kwargs: Any) -> None:
    if role is None or Permission.MANAGE_KEYS not in permissions_of(role):
        KeyOffer.objects.filter(key__project=project, to=user).delete()
