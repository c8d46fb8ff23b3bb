"""Offers end when one of the two people may not make or accept them any more. Each leaves an event.

The services of keys end the offers of keys that are deleted, and handing a key over ends its offer.
"""

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.dispatch import receiver

from accounts.models import User
from accounts.services import Lost
from accounts.signals import account_cleared, account_deactivated, account_deleted
from apikeys import audit_kinds
from apikeys.hand_over.models import KeyOffer
from apikeys.models import ApiKey
from projects.audit_log.recording import record
from projects.models import Project
from projects.permissions import Permission, Role, permissions_of
from projects.signals import member_changed


@receiver(account_deactivated)
def end_offers_of_account(user: User, by: User | None, address: str | None, **kwargs: Any) -> None:
    end_offers(Q(to=user) | Q(by=user), by=by, address=address)


@receiver(account_cleared)
def end_offers_of_cleared_account(user: User, address: str | None, **kwargs: Any) -> list[Lost]:
    """They were made by, or meant for, whoever used the account before."""
    which = Q(to=user) | Q(by=user)
    offers = KeyOffer.objects.filter(which).select_related("key__project", "to").order_by("pk")
    ended = [Lost("Offer of a key ended", f"{one.key.name} in {one.key.project.name}, to {one.to}") for one in offers]
    end_offers(which, by=user, address=address)
    return ended


@receiver(account_deleted)
def end_offers_of_deleted_account(user: User, address: str | None, **kwargs: Any) -> None:
    """The memberships end first, and most offers with them."""
    end_offers(Q(to=user) | Q(by=user), by=user, address=address)


@receiver(member_changed)
def end_offers_of_member(
    project: Project, user: User, role: Role | None, by: User | None, address: str | None, **kwargs: Any
) -> None:
    """A person who gets the right again later does not revive an offer."""
    may = permissions_of(role) if role else frozenset()
    lost = Q(pk__in=[])
    if Permission.MANAGE_KEYS not in may:
        lost |= Q(to=user)
    if Permission.HAND_OVER_KEYS not in may:
        lost |= Q(by=user)
    end_offers(Q(key__project=project) & lost, by=by, address=address)


@transaction.atomic
def end_offers(which: Q, *, by: User | None, address: str | None) -> int:
    """Ends these offers, and returns their number.

    Asks for no right: `by` caused that offers may not go on, or is staff in the admin.
    """
    offers, ended = KeyOffer.objects.filter(which), 0
    # Keys before their offers, as the services of offers do, so that none of them waits for the other for ever.
    list(ApiKey.objects.select_for_update(of=("self",), no_key=True).filter(offer__in=offers).order_by("pk"))
    for offer in offers.select_related("key__project", "to").order_by("pk"):
        if KeyOffer.objects.filter(pk=offer.pk).delete()[0]:
            project, before = offer.key.project, offer.to.email
            record(audit_kinds.OFFER_WITHDRAWN, project=project, key=offer.key, by=by, address=address, before=before)
            ended += 1
    return ended
