"""Handing a key over: another person becomes responsible for it.

Nobody acts in another person's name without agreeing: an owner takes a key over for themselves, or a member accepts an
offer. Only operators name somebody else. Each function is keyword-only, atomic, and writes its event in the same
transaction. All of them lock the project first, then the key.
"""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Coalesce

from accounts.models import User
from apikeys import audit_kinds
from apikeys.hand_over.models import KeyOffer
from apikeys.hand_over.offer_emails import tell_of_offer
from apikeys.keys.key_errors import KeyGone
from apikeys.leases.held_answers import hold_answer
from apikeys.models import ApiKey
from projects.audit_log.recording import record
from projects.locks import lock_for, lock_project, lock_users
from projects.models import Project
from projects.permissions import Permission, reason


class OfferGone(Exception):
    """The offer was accepted, declined or withdrawn in the meantime, or is an offer to somebody else."""


@transaction.atomic
def take_over(*, key: ApiKey, by: User, address: str | None = None) -> bool:
    """Makes an owner responsible for the key. False if they are already.

    Raises NoLongerAllowed if the person may not hand keys over, KeyGone and ProjectGone.
    """
    hold_answer()
    project = lock_for(key.project, by=by, can=Permission.HAND_OVER_KEYS)
    return _hand_over(key, project, to=by, by=by, address=address)


@transaction.atomic
def hand_over(*, key: ApiKey, to: User, by: User | None, address: str | None = None) -> bool:
    """An operator makes an active member who may manage keys responsible for the key, without asking them.

    Returns what `take_over` does. Raises ValidationError if `to` may not manage keys, KeyGone and ProjectGone.
    """
    hold_answer()
    project = lock_project(key.project)
    _refuse_unable(project, to, Permission.MANAGE_KEYS)
    return _hand_over(key, project, to=to, by=by, address=address)


@transaction.atomic
def offer(*, key: ApiKey, to: User, by: User, address: str | None = None) -> bool:
    """Offers the key to a member who may manage keys. They get an email. False if the key is offered to them already.

    An offer to somebody else ends. Raises NoLongerAllowed; ValidationError if `to` may not manage keys, is responsible
    already or is the person who offers; KeyGone and ProjectGone.
    """
    project = lock_for(key.project, by=by, can=Permission.HAND_OVER_KEYS)
    # A deactivation that comes later ends the offer, because it waits for this lock.
    lock_users([to.pk, by.pk])
    _refuse_unable(project, to, Permission.MANAGE_KEYS)
    row = _lock(key)
    if to in (row.responsible, by):
        how = "is responsible for" if to == row.responsible else "can take over"
        raise ValidationError(f"{to} {how} {row.name} without an offer.", code="no_offer_needed")
    if KeyOffer.objects.filter(key=row, to=to).exists():
        return False
    for earlier in KeyOffer.objects.filter(key=row).select_related("to"):
        _withdraw(earlier, row, project, by, address)
    KeyOffer.objects.create(key=row, to=to, by=by)
    record(audit_kinds.OFFERED, project=project, key=row, by=by, address=address, before=to.email)
    tell_of_offer(row, project, to=to, by=by, address=address)
    key.refresh_from_db()
    return True


@transaction.atomic
def accept(*, offer: KeyOffer, by: User, address: str | None = None) -> None:
    """Makes the person to whom the key was offered responsible for it.

    Raises OfferGone, also if the person who offered it may not hand keys over any more; NoLongerAllowed, KeyGone and
    ProjectGone.
    """
    hold_answer()
    project = lock_for(offer.key.project, by=by, can=Permission.MANAGE_KEYS)
    lock_users([by.pk, offer.by_id])
    if not _may(project, offer.by, Permission.HAND_OVER_KEYS):
        raise OfferGone
    row = _lock(offer.key)
    _end(offer, to=by)
    _make_responsible(row, project, to=by, by=by, address=address)
    offer.key.refresh_from_db()


@transaction.atomic
def decline(*, offer: KeyOffer, by: User, address: str | None = None) -> None:
    """Ends the offer, by the person to whom the key was offered. Raises what `withdraw` raises."""
    project = lock_for(offer.key.project, by=by, can=Permission.MANAGE_KEYS)
    row = _lock(offer.key)
    _end(offer, to=by)
    record(audit_kinds.OFFER_DECLINED, project=project, key=row, by=by, address=address)


@transaction.atomic
def withdraw(*, offer: KeyOffer, by: User, address: str | None = None) -> None:
    """Ends the offer, by an owner. Raises OfferGone, NoLongerAllowed, KeyGone and ProjectGone."""
    project = lock_for(offer.key.project, by=by, can=Permission.HAND_OVER_KEYS)
    _withdraw(offer, _lock(offer.key), project, by, address)


def _withdraw(offer: KeyOffer, row: ApiKey, project: Project, by: User, address: str | None) -> None:
    _end(offer, to=offer.to)
    record(audit_kinds.OFFER_WITHDRAWN, project=project, key=row, by=by, address=address, before=offer.to.email)


def _end(offer: KeyOffer, *, to: User) -> None:
    if not KeyOffer.objects.filter(pk=offer.pk, to=to).delete()[0]:
        raise OfferGone


def _hand_over(key: ApiKey, project: Project, *, to: User, **who: Any) -> bool:
    """Called in the transaction that has locked the project."""
    row = _lock(key)
    changed = row.responsible != to
    if changed:
        _make_responsible(row, project, to=to, **who)
    key.refresh_from_db()
    return changed


def _make_responsible(row: ApiKey, project: Project, *, to: User, by: User | None, address: str | None) -> None:
    """Called in the transaction that has locked the row. The key's next check reads the new person."""
    former = row.responsible
    ApiKey.objects.filter(pk=row.pk).update(responsible=to, creator=Coalesce("creator", "responsible"))
    KeyOffer.objects.filter(key=row).delete()
    record(
        audit_kinds.HANDED_OVER,
        project=project,
        key=row,
        by=by,
        address=address,
        before=former.email,
        after=to.email,
        also_told=[person for person in (former, to) if person.is_active],
    )


def _refuse_unable(project: Project, user: User, can: Permission) -> None:
    """Called in the transaction that has locked the project: nobody loses the right in the meantime."""
    if not _may(project, user, can):
        raise ValidationError(f"{user} may not be responsible for this key. {reason(can)}", code="may_not")


def _may(project: Project, user: User, can: Permission) -> bool:
    return bool(project.memberships.that(can).filter(user=user, user__is_active=True).exists())


def _lock(key: ApiKey) -> ApiKey:
    living = ApiKey.objects.alive().select_for_update(of=("self",)).select_related("responsible")
    row = living.filter(pk=key.pk).first()
    if row is None:
        raise KeyGone
    return row
