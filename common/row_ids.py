"""Addresses of rows that have no public id: the primary key, encrypted, because a primary key never leaves the server.

The same row always has the same address. A path parameter with such a converter gives the view the primary key, so that
views of a library work with it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from common import encryption

_PK_BYTES = 8


@lru_cache(maxsize=8)
@sensitive_variables()
def _cipher(secret_key: str | bytes) -> AESSIV:
    """AES-SIV (RFC 5297) is made for encryption without a nonce: equal rows get equal addresses, and that is meant."""
    return AESSIV(encryption.derived_key(secret_key, b"latchkey row ids v1"))


class RowIdConverter:
    """Primary keys of one kind of rows. The address of another kind, or of another installation, does not match."""

    regex = "[0-9A-Za-z_-]{32}"
    kind: str

    def to_url(self, value: int) -> str:
        """Raises OverflowError for what is no primary key."""
        plain = int(value).to_bytes(_PK_BYTES, "big")
        return urlsafe_b64encode(_cipher(settings.SECRET_KEY).encrypt(plain, [self.kind.encode()])).decode()

    def to_python(self, value: str) -> int:
        """Raises ValueError, which is a 404, for an address that this installation did not make."""

        def read(secret_key: str | bytes) -> bytes:
            return _cipher(secret_key).decrypt(urlsafe_b64decode(value), [self.kind.encode()])

        plain = encryption.with_any_secret_key(read, InvalidTag)
        if plain is None:
            raise ValueError("This address names no row.")
        return int.from_bytes(plain, "big")


def converter_for_rows(kind: str) -> type[RowIdConverter]:
    return type(f"{kind.title()}RowIdConverter", (RowIdConverter,), {"kind": kind})
