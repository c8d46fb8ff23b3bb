"""Moves every key to the first entries of KEY_RING and KEY_PEPPERS, and counts the keys that still need an older entry.

A key's four columns change together in one UPDATE that holds only for the values that were read. So a rotation may run
at any time, and a deletion in between wins. Each run finds old rows by reading them: after a kill at any moment, the
next run does the rest. No event is written, because nothing changes that a key's owner did or could see; the operator
reads the command's report.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from apikeys.models import ApiKey
from apikeys.secrets import vault
from apikeys.secrets.integrity import KEYS_A_STATEMENT, DigestRefused, decrypted, refuse_other_secret, slices


class Rotated(NamedTuple):
    """How many keys were moved, and the ids of the keys that were left alone because something is wrong with them."""

    moved: int
    not_decrypted: list[str]
    digest_differs: list[str]


class Census(NamedTuple):
    """Keys by the entry that they need: living ones with a ciphertext, living ones without, deleted ones."""

    ring_keys: Counter[str]
    peppers: Counter[str]
    show_once: Counter[str]
    deleted: Counter[str]
    movable: int  # keys that could be under the first entries and are not


class Need(NamedTuple):
    """How many keys, second factors and emails name one entry of KEY_RING or KEY_PEPPERS."""

    id: str
    configured: bool
    first: bool
    keys: int
    show_once: int = 0
    deleted: int = 0
    second_factors: int = 0
    emails: int = 0

    @property
    def removable(self) -> bool:
        return self.configured and not self.first and not self.is_needed

    @property
    def is_needed(self) -> bool:
        return bool(self.keys or self.show_once or self.deleted or self.second_factors or self.emails)


class Target(NamedTuple):
    """The keys that a run moves, and the entries that it moves them to."""

    ring_key: str
    pepper: str
    readable: frozenset[str]  # ring keys
    replaceable: frozenset[str]  # peppers

    def concerns(self, key: ApiKey) -> bool:
        if key.ciphertext is None or key.ring_key_id not in self.readable:
            return False
        return key.ring_key_id != self.ring_key or (key.pepper_id != self.pepper and key.pepper_id in self.replaceable)


def find_target(lost_peppers: Collection[str] = ()) -> Target:
    """Raises VaultUnavailable if KEY_RING or KEY_PEPPERS is empty.

    A digest whose pepper KEY_PEPPERS lacks stays as it is: a wrong configuration is likelier than a lost pepper. Only
    the digests of `lost_peppers` are made anew from the ciphertext alone.
    """
    ring, peppers = vault.ring_key_ids(), vault.pepper_ids()
    for name, entries in (("KEY_RING", ring), ("KEY_PEPPERS", peppers)):
        if not entries:
            raise vault.VaultUnavailable(f"{name} is empty.")
    return Target(ring[0], peppers[0], frozenset(ring), frozenset({*peppers, *lost_peppers}))


def not_needed(peppers: Iterable[str]) -> list[str]:
    """The ids that no living key names."""
    named = set(ApiKey.objects.alive().values_list("pepper_id", flat=True).distinct())
    return [pepper for pepper in peppers if pepper not in named]


def rotate(
    target: Target, *, batch: int = KEYS_A_STATEMENT, progress: Callable[[int, int], None] = lambda seen, moved: None
) -> Rotated:
    """Moves all keys that `target` names, in transactions of up to `batch` keys.

    `progress` is called after each transaction with the number of keys that were read and moved. Rows are locked in the
    order of primary keys, as everywhere, so that no two processes wait for each other.
    """
    seen = moved = 0
    wrong: dict[str, list[str]] = {"not_decrypted": [], "digest_differs": []}
    for keys in slices(batch):
        changes: list[tuple[ApiKey, dict[str, object]]] = []
        for key in filter(target.concerns, keys):
            try:
                changes.append((key, _moved(key, target)))
            except vault.CiphertextRefused:
                wrong["not_decrypted"].append(key.public_id)
            except DigestRefused:
                wrong["digest_differs"].append(key.public_id)
        moved += _write(changes)
        seen += len(keys)
        progress(seen, moved)
    return Rotated(moved, **wrong)


@sensitive_variables()
def _moved(key: ApiKey, target: Target) -> dict[str, object]:
    """The key's new columns. Raises CiphertextRefused or DigestRefused."""
    secret = decrypted(key)
    if key.pepper_id in vault.pepper_ids():
        refuse_other_secret(key, secret)
    ring_key_id, ciphertext = vault.encrypt(secret, key_id=key.public_id, project_id=key.project.public_id)
    columns: dict[str, object] = {"ring_key_id": ring_key_id, "ciphertext": ciphertext}
    if key.pepper_id in target.replaceable:
        columns["pepper_id"], columns["digest"] = vault.new_digest(secret)
    return columns


def _write(changes: list[tuple[ApiKey, dict[str, object]]]) -> int:
    """How many keys still had the values that were read, and now have their new columns."""
    with transaction.atomic():
        return sum(
            ApiKey.objects.filter(pk=key.pk, ciphertext=key.ciphertext, digest=key.digest).update(**columns)
            for key, columns in changes
        )


def take_census(target: Target) -> Census:
    """Counts all keys as they are now."""
    ring_keys, peppers, show_once, deleted = (Counter[str]() for _ in range(4))
    movable = 0
    for keys in slices():
        for key in keys:
            movable += target.concerns(key)
            if key.is_deleted:
                deleted[key.pepper_id] += 1
            elif key.ciphertext is None:
                show_once[key.pepper_id] += 1
            else:
                ring_keys[key.ring_key_id] += 1
                peppers[key.pepper_id] += 1
    return Census(ring_keys, peppers, show_once, deleted, movable)


def ring_needs(census: Census, second_factors: Counter[str], emails: Counter[str]) -> list[Need]:
    """The entries of KEY_RING in their order, then entries that keys or second factors name and KEY_RING lacks."""
    configured = vault.ring_key_ids()
    return [
        Need(
            entry,
            entry in configured,
            entry == configured[0],
            census.ring_keys[entry],
            second_factors=second_factors[entry],
            emails=emails[entry],
        )
        for entry in _named(configured, census.ring_keys, second_factors, emails)
    ]


def pepper_needs(census: Census) -> list[Need]:
    """The entries of KEY_PEPPERS in their order, then entries that keys name and KEY_PEPPERS lacks."""
    configured = vault.pepper_ids()
    counts = (census.peppers, census.show_once, census.deleted)
    return [
        Need(entry, entry in configured, entry == configured[0], *(count[entry] for count in counts))
        for entry in _named(configured, *counts)
    ]


def _named(configured: list[str], *counts: Counter[str]) -> list[str]:
    return configured + sorted({entry for count in counts for entry in count} - set(configured))
