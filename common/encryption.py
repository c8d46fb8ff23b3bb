"""Authenticated encryption, AES-256-GCM, the only one that the product uses."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.views.decorators.debug import sensitive_variables

KEY_BYTES = 32
NONCE_BYTES = 12  # the 96 bits that NIST SP 800-38D recommends for GCM


class CiphertextRefused(Exception):
    """The ciphertext was altered, belongs to another row, or was made with another key."""


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
