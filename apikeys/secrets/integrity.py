"""Proves that the database and the secrets outside it belong together. It only reads."""

from collections.abc import Iterator
from typing import NamedTuple

from django.views.decorators.debug import sensitive_variables

from apikeys.models import ApiKey
from apikeys.secrets import vault

KEYS_A_STATEMENT = 500

_FIELDS = ("public_id", "project__public_id", "state", "digest", "pepper_id", "ciphertext", "ring_key_id")


class DigestRefused(Exception):
    """The row's digest is not the digest of its secret: a request with the secret does not find the row."""


class Findings(NamedTuple):
    """The result for all keys."""

    right: dict[str, int]  # how many, by RIGHT
    wrong: dict[str, list[str]]  # their ids, by WRONG


# A show-once key has nothing to decrypt. Its pepper is there, and only a request can prove its digest.
RIGHT = ("proven", "show_once", "deleted")
WRONG = ("not_decrypted", "digest_differs", "ring_key_missing", "pepper_missing")


def slices(batch: int = KEYS_A_STATEMENT) -> Iterator[list[ApiKey]]:
    """All keys, deleted ones too, in the order of their primary keys, `batch` in each statement.

    Every row is read, also rows that nobody looks for, so that no statement grows with the table.
    """
    keys, last_pk = ApiKey.objects.order_by("pk").select_related("project").only(*_FIELDS), 0
    while found := list(keys.filter(pk__gt=last_pk)[:batch]):
        yield found
        last_pk = found[-1].pk


@sensitive_variables()
def decrypted(key: ApiKey) -> str:
    """The key's secret. Raises VaultUnavailable, and CiphertextRefused also for a key without a ciphertext."""
    return vault.decrypt(
        bytes(key.ciphertext or b""),
        ring_key_id=key.ring_key_id,
        key_id=key.public_id,
        project_id=key.project.public_id,
    )


@sensitive_variables()
def refuse_other_secret(key: ApiKey, secret: str) -> None:
    """Raises DigestRefused unless a request with `secret` finds this key; VaultUnavailable if its pepper is missing."""
    if not vault.is_digest(bytes(key.digest), secret, pepper_id=key.pepper_id):
        raise DigestRefused


def check_keys() -> Findings:
    """Checks that every stored secret can be shown again, and that it is the secret that lets requests in."""
    found = Findings(dict.fromkeys(RIGHT, 0), {name: [] for name in WRONG})
    ring, peppers = set(vault.ring_key_ids()), set(vault.pepper_ids())
    for keys in slices():
        for key in keys:
            name = _finding(key, ring, peppers)
            if name in RIGHT:
                found.right[name] += 1
            else:
                found.wrong[name].append(key.public_id)
    return found


def wrong_peppers(most: int = 20) -> list[str]:
    """The ids in KEY_PEPPERS whose pepper did not make the keys that name it, judged by the newest keys.

    One key that fits proves its pepper. Keys that cannot be decrypted prove nothing.
    """
    ring, peppers = set(vault.ring_key_ids()), set(vault.pepper_ids())
    keys = ApiKey.objects.filter(ciphertext__isnull=False).select_related("project").only(*_FIELDS)
    found = {(key.pepper_id, _finding(key, ring, peppers)) for key in keys.order_by("-pk")[:most]}
    return sorted(pepper for pepper, name in found if name == "digest_differs" and (pepper, "proven") not in found)


def _finding(key: ApiKey, ring: set[str], peppers: set[str]) -> str:
    """The name in RIGHT or WRONG that describes the key."""
    if key.is_deleted:
        return "deleted"
    if key.pepper_id not in peppers:
        return "pepper_missing"
    if key.ciphertext is None:
        return "show_once"
    if key.ring_key_id not in ring:
        return "ring_key_missing"
    try:
        refuse_other_secret(key, decrypted(key))
    except vault.CiphertextRefused:
        return "not_decrypted"
    except DigestRefused:
        return "digest_differs"
    return "proven"
