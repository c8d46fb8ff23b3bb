"""Public ids: a prefix and 16 random base62 characters (95 bits), for everything that leaves the server."""

import random
import secrets
import string

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_CHARACTERS = 16

# Two digits at a time, because every request gets an id and every secret has a checksum.
_PAIRS = [first + second for first in BASE62 for second in BASE62]


def base62(number: int, length: int) -> str:
    """The last `length` digits of the number, an even number of them, most significant first."""
    text = ""
    for _ in range(length // 2):
        number, pair = divmod(number, 3844)  # 62 * 62
        text = _PAIRS[pair] + text
    return text


def new_public_id(prefix: str) -> str:
    """The last 16 base62 digits of 128 random bits. Their bias is below 2**-32."""
    return f"{prefix}_{base62(int.from_bytes(secrets.token_bytes(16), 'big'), RANDOM_CHARACTERS)}"


def new_request_id() -> str:
    """Made faster: each check gets one, and it opens nothing, so nobody has to be kept from guessing it."""
    return f"req_{base62(random.getrandbits(128), RANDOM_CHARACTERS)}"  # nosec B311


class PublicIdConverter:
    """A path converter that matches the ids of one kind, so that no other path reaches a query."""

    regex: str

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


def converter_for(prefix: str) -> type[PublicIdConverter]:
    regex = f"{prefix}_[0-9A-Za-z]{{{RANDOM_CHARACTERS}}}"
    return type(f"{prefix.title()}IdConverter", (PublicIdConverter,), {"regex": regex})
