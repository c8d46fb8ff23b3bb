"""The secret's format: a prefix, 30 random base62 characters and 6 characters of checksum. Pure functions.

30 base62 characters carry 178 bits. The checksum is the CRC32 of all characters before it. So a truncated or mistyped
secret is rejected without a query, and scanners can tell a real secret from a look-alike (GitHub describes this scheme
for its tokens). The checksum is no protection: anyone can compute it.
"""

import re
import secrets
from zlib import crc32

from common.public_ids import BASE62, base62

RANDOM_LENGTH = 30
CHECKSUM_LENGTH = 6
SHOWN = 4
DOTS = "•" * 8

_BODY = re.compile(rf"[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}")
PREFIX = re.compile(r"[a-z][a-z0-9]{0,11}_")


def checksum(text: str) -> str:
    """The CRC32 of `text` (ASCII) as six base62 digits, most significant first."""
    return base62(crc32(text.encode("ascii")), CHECKSUM_LENGTH)


def generate(prefix: str) -> str:
    """A new secret from the operating system's random source."""
    body = prefix + "".join(secrets.choice(BASE62) for _ in range(RANDOM_LENGTH))
    return body + checksum(body)


def is_well_formed(text: str, prefix: str) -> bool:
    """Whether `text` could be a secret: prefix, alphabet, length and checksum are right."""
    return (
        text.startswith(prefix)
        and _BODY.fullmatch(text, len(prefix)) is not None
        and checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]
    )


def occurs_in(text: str, prefix: str) -> bool:
    """Whether `text` contains something that looks like a secret, with or without a correct checksum."""
    return re.search(re.escape(prefix) + _BODY.pattern, text) is not None


def mask(secret: str, prefix: str) -> str:
    """What pages show: `lk_7Hq2••••••••wX9d`.

    A mask gives away four random characters and four of the checksum, at most 48 of 178 bits: 130 remain.
    """
    return f"{secret[: len(prefix) + SHOWN]}{DOTS}{secret[-SHOWN:]}"
