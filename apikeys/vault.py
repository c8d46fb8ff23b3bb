"""Digests for looking a secret up, and encryption for showing it again.

A digest needs a pepper only, a ciphertext the key ring only; both live outside the database.
Rings are ordered: the first entry makes new digests and ciphertexts, all of them read old ones.
"""

import hmac
import secrets
from base64 import b64decode
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

KEY_BYTES = 32
NONCE_BYTES = 12  # the 96 bits that NIST SP 800-38D recommends for GCM


class VaultUnavailable(Exception):
    """The key ring or the peppers lack the entry that is needed, or there are none at all."""


class CiphertextRefused(Exception):
    """The ciphertext was altered, or belongs to another row."""


@lru_cache(maxsize=8)
@sensitive_variables()
def parse_ring(notation: str) -> tuple[tuple[str, bytes], ...]:
    """The (id, key) pairs of `id:base64,id:base64`; raises ImproperlyConfigured without repeating a key."""
    ring: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in notation.split(","))):
        name, _, encoded = entry.partition(":")
        try:
            key = b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if not name.isalnum() or len(name) > 16 or len(key) != KEY_BYTES or name in ring:
            raise ImproperlyConfigured(
                "A key ring is written id:base64,id:base64 with distinct ids of up to 16 letters and digits "
                f"and {KEY_BYTES} bytes a key; entry {len(ring) + 1} is not."
            )
        ring[name] = key
    return tuple(ring.items())


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


def ring_key_ids() -> list[str]:
    return [ring_key_id for ring_key_id, _ in parse_ring(settings.KEY_RING)]


@sensitive_variables()
def is_digest(digest: bytes, secret: str, *, pepper_id: str) -> bool:
    """Whether `digest` is the secret's. Raises VaultUnavailable if KEY_PEPPERS lacks `pepper_id`."""
    pepper = dict(parse_ring(settings.KEY_PEPPERS)).get(pepper_id)
    if pepper is None:
        raise VaultUnavailable(f"KEY_PEPPERS has no pepper {pepper_id!r}.")
    return hmac.compare_digest(digest, _digest(pepper, secret))


@sensitive_variables()
def digests(secret: str) -> list[bytes]:
    """The secret's digest under each pepper, the current one first."""
    return [_digest(pepper, secret) for _, pepper in parse_ring(settings.KEY_PEPPERS)]


def _associated_data(key_id: str, project_id: str) -> bytes:
    return f"v1|{key_id}|{project_id}".encode()


@sensitive_variables()
def encrypt(secret: str, *, key_id: str, project_id: str) -> tuple[str, bytes]:
    """The ring key's id and nonce + AES-256-GCM ciphertext, bound to the row by associated data."""
    ring = parse_ring(settings.KEY_RING)
    if not ring:
        raise VaultUnavailable("KEY_RING is empty.")
    ring_key_id, ring_key = ring[0]
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(ring_key).encrypt(nonce, secret.encode("ascii"), _associated_data(key_id, project_id))
    return ring_key_id, nonce + sealed


@sensitive_variables()
def decrypt(ciphertext: bytes, *, ring_key_id: str, key_id: str, project_id: str) -> str:
    """Raises VaultUnavailable if the ring lacks `ring_key_id`, CiphertextRefused if anything was changed."""
    ring_key = dict(parse_ring(settings.KEY_RING)).get(ring_key_id)
    if ring_key is None:
        raise VaultUnavailable(f"KEY_RING has no key {ring_key_id!r}.")
    nonce, sealed = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
    try:
        return AESGCM(ring_key).decrypt(nonce, sealed, _associated_data(key_id, project_id)).decode("ascii")
    except (InvalidTag, ValueError) as error:
        raise CiphertextRefused(f"The ciphertext of {key_id} was changed or moved.") from error
