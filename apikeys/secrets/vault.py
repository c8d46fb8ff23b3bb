"""Digests that look a secret up, and encryption that can show it again.

A digest needs only a pepper, a ciphertext only the key ring. Both are kept outside the database. Rings are ordered: the
first entry makes new digests and ciphertexts, and all entries read old ones.
"""

import hmac

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from common import key_ring
from common.encryption import CiphertextRefused
from common.key_ring import VaultUnavailable, parse_ring, ring_key_ids
from common.known_settings import known

__all__ = ["CiphertextRefused", "VaultUnavailable", "parse_ring", "ring_key_ids"]


def _digest(pepper: bytes, secret: str) -> bytes:
    return hmac.digest(pepper, secret.encode("ascii"), "sha256")


@sensitive_variables()
def new_digest(secret: str) -> tuple[str, bytes]:
    """The first pepper's id and HMAC-SHA256(pepper, secret), 32 bytes.

    A fast hash is right for a random secret of 112 bits or more (OWASP ASVS 5.0, 6.5.2).
    """
    peppers = parse_ring(settings.KEY_PEPPERS)
    if not peppers:
        raise VaultUnavailable("KEY_PEPPERS is empty.")
    pepper_id, pepper = peppers[0]
    return pepper_id, _digest(pepper, secret)


def pepper_ids() -> list[str]:
    return [pepper_id for pepper_id, _ in parse_ring(settings.KEY_PEPPERS)]


@sensitive_variables()
def is_digest(digest: bytes, secret: str, *, pepper_id: str) -> bool:
    """Whether `digest` is the secret's. Raises VaultUnavailable if KEY_PEPPERS lacks `pepper_id`."""
    pepper = dict(parse_ring(settings.KEY_PEPPERS)).get(pepper_id)
    if pepper is None:
        raise VaultUnavailable(f"KEY_PEPPERS has no pepper {pepper_id!r}.")
    return hmac.compare_digest(digest, _digest(pepper, secret))


def digests(secret: str) -> list[bytes]:
    """The secret's digest under each pepper, the current one first.

    The caller marks its variables as sensitive; that covers what it calls, and every check calls this function.
    """
    return [_digest(pepper, secret) for _, pepper in parse_ring(known.KEY_PEPPERS)]


def _associated_data(key_id: str, project_id: str) -> bytes:
    return f"v1|{key_id}|{project_id}".encode()


@sensitive_variables()
def encrypt(secret: str, *, key_id: str, project_id: str) -> tuple[str, bytes]:
    """The ring key's id, and nonce + AES-256-GCM ciphertext, which associated data bind to the row."""
    return key_ring.seal(secret.encode("ascii"), _associated_data(key_id, project_id))


@sensitive_variables()
def decrypt(ciphertext: bytes, *, ring_key_id: str, key_id: str, project_id: str) -> str:
    """Raises VaultUnavailable if the ring lacks `ring_key_id`, CiphertextRefused if anything was changed."""
    try:
        return key_ring.unseal(ciphertext, _associated_data(key_id, project_id), ring_key_id=ring_key_id).decode(
            "ascii"
        )
    except (CiphertextRefused, UnicodeDecodeError) as error:
        raise CiphertextRefused(f"The ciphertext of {key_id} was changed or moved.") from error
