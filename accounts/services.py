"""Changes of accounts by somebody else, and what hangs on accounts.

The rows of accounts are never deleted, because their keys and events name them.
"""

from typing import Any, NamedTuple

from django.db import transaction
from django.dispatch import Signal

from accounts.models import User
from accounts.signals import (
    account_deactivated,
    account_reactivated,
    closing_begun,
    deactivation_asked,
    deactivation_begun,
)

# How many things a page lists of one kind.
SHOWN = 20


class Thing(NamedTuple):
    """One thing that hangs on an account, and the address of the page that changes that; "" for no page.

    `remark` is what stands after the name.
    """

    name: str
    address: str
    remark: str = ""


class Obstacle(NamedTuple):
    """Things that hang on an account: what they are, what to do about them, and the first few of the `total`."""

    what: str
    advice: str
    shown: list[Thing]
    total: int

    @property
    def further(self) -> int:
        return self.total - len(self.shown)


class Lost(NamedTuple):
    """One thing that an account had when it was cleared: what became of it, and its name."""

    what: str
    name: str
    is_key: bool = False


class Consequence(NamedTuple):
    """One effect of a deactivation: a sentence, and the first few of the `total` things that it concerns."""

    what: str
    sentence: str
    shown: list[str]
    total: int

    @property
    def further(self) -> int:
        return self.total - len(self.shown)


def consequences_of_deactivation(user: User) -> list[Consequence]:
    answers: list[tuple[Any, Any]] = deactivation_asked.send(sender=User, user=user)
    return [consequence for _, consequences in answers for consequence in consequences]


def deactivate_account(*, user: User, by: User | None, address: str | None = None) -> bool:
    """Stops the person's sign-in and the keys for which they are responsible.

    False if the account was deactivated already.
    """
    with transaction.atomic():
        deactivation_begun.send(sender=User, user=user)
        return _switch(user, False, account_deactivated, by, address)


def reactivate_account(*, user: User, by: User | None, address: str | None = None) -> bool:
    """Allows the person's sign-in and their keys again. False if the account was active already."""
    return _switch(user, True, account_reactivated, by, address)


def _switch(user: User, is_active: bool, signal: Signal, by: User | None, address: str | None) -> bool:
    with transaction.atomic():
        closing_begun.send(sender=User, user=user)
        living = User.objects.filter(pk=user.pk, deleted_at=None)
        changed = bool(living.filter(is_active=not is_active).update(is_active=is_active))
        if changed:
            user.is_active = is_active
            signal.send(sender=User, user=user, by=by, address=address)
    return changed
