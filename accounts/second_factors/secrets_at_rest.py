"""Encrypts the secrets of second factors in the database: the app's seed and the seed of the recovery codes, with the
key ring.

Passkeys need no encryption, because the database holds their public keys.
"""

from base64 import b32decode, urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from common import key_ring
from common.encryption import CiphertextRefused
from common.key_ring import VaultUnavailable

ROWS_A_STATEMENT = 500

# allauth's hooks know the secret, but not its owner. So the ciphertext is bound to its purpose: it cannot pass for a
# key's.
_BOUND_TO = b"v1|second factor"
_SEALED = "sealed1:"  # no seed and no code has a colon
_TYPES = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
_SECRETS = ("secret", "seed")  # beside the list "migrated_codes"


class SecondFactorUnavailable(VaultUnavailable):
    """A second factor's secret cannot be read: KEY_RING lacks its entry, or the row was changed."""


class FactorCensus(NamedTuple):
    """Second factors by the ring entry that they need."""

    ring_keys: Counter[str]
    read: int  # those that can be read
    movable: int  # those of them that are not under the first entry
    not_readable: list[str]  # the public ids of the accounts that they belong to


@sensitive_variables()
def seal(secret: str) -> str:
    """Raises SecondFactorUnavailable if KEY_RING is empty."""
    try:
        ring_key_id, ciphertext = key_ring.seal(secret.encode(), _BOUND_TO)
    except VaultUnavailable as error:
        raise SecondFactorUnavailable(str(error)) from error
    return f"{_SEALED}{ring_key_id}:{urlsafe_b64encode(ciphertext).decode()}"


@sensitive_variables()
def unseal(stored: str) -> str:
    """Raises SecondFactorUnavailable."""
    ring_key_id = ring_key_of(stored)
    if ring_key_id is None:
        raise SecondFactorUnavailable("A second factor is not sealed.")
    try:
        ciphertext = urlsafe_b64decode(stored.rpartition(":")[2])
        return key_ring.unseal(ciphertext, _BOUND_TO, ring_key_id=ring_key_id).decode()
    except (VaultUnavailable, CiphertextRefused, ValueError) as error:
        raise SecondFactorUnavailable("A second factor cannot be read.") from error


def ring_key_of(stored: str) -> str | None:
    """The id of the ring key that the stored secret needs; None if it is not sealed, and so cannot be read."""
    return stored.split(":")[1] if stored.startswith(_SEALED) else None


def rows() -> QuerySet[Any]:
    """All second factors that have a secret, by primary key."""
    found: QuerySet[Any] = Authenticator.objects.filter(type__in=_TYPES).order_by("pk")
    return found


def move_all(*, batch: int = ROWS_A_STATEMENT) -> int:
    """Seals every readable second factor with the first ring key, and returns how many it moved.

    Each transaction locks its rows, up to `batch`, because allauth marks a used recovery code in the same column. If
    the command is killed, the next run does the rest.
    """
    moved, last_pk = 0, 0
    while True:
        with transaction.atomic():
            found = list(rows().filter(pk__gt=last_pk).select_for_update()[:batch])
            for row in filter(_is_to_be_moved, found):
                with suppress(SecondFactorUnavailable):
                    row.data = with_secrets(row.data, lambda stored: seal(unseal(stored)))
                    row.save(update_fields=["data"])
                    moved += 1
        if not found:
            return moved
        last_pk = found[-1].pk


def take_census() -> FactorCensus:
    """Counts all second factors as they are now, and reads each."""
    ring_keys, read, movable, not_readable = Counter[str](), 0, 0, dict[str, None]()
    for row in rows().select_related("user"):
        ring_keys.update(_ring_keys(row))
        if is_readable(row):
            read += 1
            movable += _is_to_be_moved(row)
        else:
            not_readable[row.user.public_id] = None
    return FactorCensus(ring_keys, read, movable, list(not_readable))


def require_readable(user: Any) -> None:
    """Raises SecondFactorUnavailable unless each of the user's second factors can be read."""
    if not all(map(is_readable, rows().filter(user=user))):
        raise SecondFactorUnavailable("A second factor cannot be read.")


@sensitive_variables()
def is_readable(row: Authenticator) -> bool:
    try:
        secrets = with_secrets(row.data, unseal)
        if row.type == Authenticator.Type.TOTP:
            b32decode(secrets["secret"], casefold=True)
    except (SecondFactorUnavailable, KeyError, ValueError):
        return False
    return True


def _is_to_be_moved(row: Authenticator) -> bool:
    return bool(_ring_keys(row) - set(key_ring.ring_key_ids()[:1]))


def _ring_keys(row: Authenticator) -> set[str]:
    stored = [row.data[name] for name in _SECRETS if name in row.data]
    return set(filter(None, map(ring_key_of, [*stored, *(row.data.get("migrated_codes") or [])])))


def with_secrets(data: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The stored data of an app or of recovery codes, with each secret changed."""
    changed = {**data, **{name: change(data[name]) for name in _SECRETS if name in data}}
    if data.get("migrated_codes") is not None:
        changed["migrated_codes"] = [change(code) for code in data["migrated_codes"]]
    return changed
