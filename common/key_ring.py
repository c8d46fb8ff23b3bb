"""KEY_RING: the keys outside the database that seal values which have to be readable again.

A ring is ordered: its first key makes new ciphertexts, and all of its keys read old ones. KEY_PEPPERS has the same
notation.
"""

from base64 import b64decode
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from common import encryption


class VaultUnavailable(Exception):
    """The key ring or the peppers lack the entry that is needed, or there are none at all."""


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
        if not name.isalnum() or len(name) > 16 or len(key) != encryption.KEY_BYTES or name in ring:
            raise ImproperlyConfigured(
                "A key ring is written id:base64,id:base64 with distinct ids of up to 16 letters and digits "
                f"and {encryption.KEY_BYTES} bytes a key; entry {len(ring) + 1} is not."
            )
        ring[name] = key
    return tuple(ring.items())


def ring_key_ids() -> list[str]:
    return [ring_key_id for ring_key_id, _ in parse_ring(settings.KEY_RING)]


@sensitive_variables()
def seal(plain: bytes, associated_data: bytes) -> tuple[str, bytes]:
    """The id of the first ring key, and the ciphertext that it made. Raises VaultUnavailable if there is no key."""
    ring = parse_ring(settings.KEY_RING)
    if not ring:
        raise VaultUnavailable("KEY_RING is empty.")
    ring_key_id, ring_key = ring[0]
    return ring_key_id, encryption.encrypt(ring_key, plain, associated_data)


@sensitive_variables()
def unseal(ciphertext: bytes, associated_data: bytes, *, ring_key_id: str) -> bytes:
    """Raises VaultUnavailable if the ring lacks `ring_key_id`, CiphertextRefused if anything was changed."""
    ring_key = dict(parse_ring(settings.KEY_RING)).get(ring_key_id)
    if ring_key is None:
        raise VaultUnavailable(f"KEY_RING has no key {ring_key_id!r}.")
    return encryption.decrypt(ring_key, ciphertext, associated_data)
