"""A small file that the server makes or reads at its start, with a digest of its content in its name."""

from hashlib import sha256
from typing import NamedTuple


class BrandFile(NamedTuple):
    name: str
    content: bytes
    content_type: str


def brand_file(stem: str, suffix: str, content: bytes, content_type: str) -> BrandFile:
    """The name changes with the content, so that browsers may keep the file for ever."""
    return BrandFile(f"{stem}.{sha256(content).hexdigest()[:16]}.{suffix}", content, content_type)
