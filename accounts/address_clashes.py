"""Accounts whose addresses were written before addresses had a canonical form, or by an earlier release.

If several accounts have one address, a confirmed account comes before an unconfirmed one, then the older one. The first
account keeps the address in its canonical form. The others keep everything else, their passwords too, under a spelling
that nobody else has. So no row is lost, and no account is without an address.

The models are arguments, because `convertdatabase` has those of version 0.1.0.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from accounts.addresses import MOVING, canonical_or_none, look_of


class Account(NamedTuple):
    pk: int
    public_id: str
    email: str
    is_confirmed: bool


class Found(NamedTuple):
    """`clashes` are by canonical form, with the account that keeps it first. `unsettled` accounts share theirs with
    nobody.

    `refused` addresses have no canonical form. Each comes with the account whose address looks the same, if there is
    one.
    """

    clashes: dict[str, list[Account]]
    unsettled: list[Account]
    refused: list[tuple[Account, Account | None]]


class _ChangedMeanwhile(Exception):
    """Somebody else, for example a server of an earlier release, has changed the row."""


class _Move(NamedTuple):
    user_pk: int
    old: str
    new: str


def find(users: Any, addresses: Any) -> Found:
    """`users` and `addresses` are the models User and EmailAddress."""
    clashes, unsettled = {}, []
    for form, accounts in _odd_ones(users, addresses).items():
        if len(accounts) > 1:
            clashes[form] = accounts
        else:
            unsettled += accounts
    refused = []
    for account in _accounts(users.objects.filter(deleted_at=None).iterator(), addresses):
        if canonical_or_none(account.email) is None:
            twins = users.objects.filter(email=look_of(account.email)).exclude(pk=account.pk)
            refused.append((account, next(iter(_accounts(twins, addresses)), None)))
    return Found(clashes, unsettled, refused)


def settle(users: Any, addresses: Any) -> int:
    """Gives every account its canonical form, if it is the account's, and returns how many changed. It may run at any
    time.
    """
    settled = 0
    for form, (keeper, *others) in _odd_ones(users, addresses).items():
        if keeper.email != form:
            moves = [_Move(keeper.pk, keeper.email, form)]
            moves += [_Move(other.pk, form, keeper.email) for other in others if other.email == form]
            settled += _move(users, addresses, moves)
    _settle_changes_at_hand(users, addresses)
    return settled


def _odd_ones(users: Any, addresses: Any) -> dict[str, list[Account]]:
    """By canonical form: the accounts that have it, where one of them has another spelling; the one that keeps it is
    first.
    """
    pks = defaultdict(list)
    for pk, email in users.objects.values_list("pk", "email").iterator():
        form = canonical_or_none(email)
        if form not in (None, email):
            pks[str(form)].append(pk)
    return {
        form: list(
            _accounts(users.objects.filter(pk__in=others) | users.objects.filter(email=form), addresses, by_claim=True)
        )
        for form, others in pks.items()
    }


def _accounts(rows: Iterable[Any], addresses: Any, *, by_claim: bool = False) -> list[Account]:
    """`by_claim` sorts accounts that share an address: the stronger claim comes first."""
    found = []
    for user in rows:
        confirmed = addresses.objects.filter(user_id=user.pk, verified=True).values_list("email", flat=True)
        spelled = [canonical_or_none(email) or email for email in confirmed]
        is_confirmed = (canonical_or_none(user.email) or user.email) in spelled
        found.append((user.date_joined, Account(user.pk, user.public_id, user.email, is_confirmed)))
    if by_claim:
        found.sort(key=lambda row: (not row[1].is_confirmed, row[0], row[1].pk))
    return [account for _, account in found]


def _move(users: Any, addresses: Any, moves: list[_Move]) -> bool:
    """Whether all moves were made. None is made if another row is in the way or has changed."""
    try:
        with transaction.atomic(using=users.objects.db):
            for move in moves:  # two accounts may swap, so they first leave their old places
                if not users.objects.filter(pk=move.user_pk, email=move.old).update(email=_aside(move)):
                    raise _ChangedMeanwhile
                addresses.objects.filter(user_id=move.user_pk, email=move.old).update(email=_aside(move))
            for move in moves:
                former = users.objects.filter(pk=move.user_pk).values_list("former_email", flat=True).get()
                remembered = None if former == move.new else former or move.old
                users.objects.filter(pk=move.user_pk).update(email=move.new, former_email=remembered)
                _move_row(addresses.objects.filter(user_id=move.user_pk), _aside(move), move.new)
    except (IntegrityError, _ChangedMeanwhile):
        return False
    return True


def _aside(move: _Move) -> str:
    return f"{move.user_pk}@{MOVING}"


def _move_row(rows: Any, old: str, new: str) -> None:
    """Renames the person's row in allauth's table. If they have a row of the new name too, both become one."""
    moving, there = rows.filter(email=old).first(), rows.filter(email=new).first()
    if moving and there:
        moving.delete()
        rows.filter(pk=there.pk).update(
            verified=moving.verified or there.verified, primary=moving.primary or there.primary
        )
    elif moving:
        rows.filter(pk=moving.pk).update(email=new)


def _settle_changes_at_hand(users: Any, addresses: Any) -> None:
    """Settles addresses that people want to change to. Nobody has them yet, so one that is in another's way stays as it
    is.
    """
    for pk, user_id, email in addresses.objects.values_list("pk", "user_id", "email"):
        form = canonical_or_none(email)
        if form in (None, email) or users.objects.filter(pk=user_id, email=email).exists():
            continue
        try:
            with transaction.atomic(using=addresses.objects.db):
                addresses.objects.filter(pk=pk, email=email).update(email=form)
        except IntegrityError:
            continue
