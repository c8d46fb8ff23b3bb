"""Authenticated encryption, AES-256-GCM, the only one that the product uses."""

import secrets
from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes
from django.views.decorators.debug import sensitive_variables

KEY_BYTES = 32
NONCE_BYTES = 12  # the 96 bits that NIST SP 800-38D recommends for GCM


class CiphertextRefused(Exception):
    """The ciphertext was altered, belongs to another row, or was made with another key."""


@lru_cache(maxsize=16)
@sensitive_variables()
def derived_key(secret_key: str | bytes, purpose: bytes) -> bytes:
    """A key of KEY_BYTES for one purpose, from SECRET_KEY or one of its fallbacks."""
    derive = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose)
    return derive.derive(force_bytes(secret_key))


@sensitive_variables()
def with_any_secret_key(read: Callable[[str | bytes], bytes], *refused: type[Exception]) -> bytes | None:
    """What `read` gives for SECRET_KEY, or for the first of its fallbacks that does not raise one of `refused`; None
    if all do.
    """
    for secret_key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return read(secret_key)
        except refused:
            continue
    return None


@sensitive_variables()
def encrypt(key: bytes, plain: bytes, associated_data: bytes) -> bytes:
    """nonce + ciphertext, which only `key` and the same `associated_data` decrypt."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, associated_data)


@sensitive_variables()
def decrypt(key: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
    """Raises CiphertextRefused."""
    nonce, sealed = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, sealed, associated_data)
    except (InvalidTag, ValueError) as error:
        raise CiphertextRefused("The ciphertext was changed or moved.") from error
