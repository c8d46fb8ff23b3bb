"""Latchkey in an operator's name: the environment, and the settings that the product reads from it."""

import os
import runpy
import struct
import zlib
from pathlib import Path
from typing import Any
from unittest import mock

from tests.support.environment import REPOSITORY

LINKS = {
    "DOCS_URL": "https://ittybit.example/docs?from=keys#start",
    "SUPPORT_URL": "mailto:help@ittybit.example",
    "STATUS_URL": "https://status.ittybit.example/",
    "TERMS_URL": "https://ittybit.example/terms",
    "PRIVACY_URL": "https://ittybit.example/privacy",
}
ITTYBIT = {"BRAND_NAME": "ittybit", "KEY_VARIABLE": "ITTYBIT_API_KEY", "BRAND_ACCENT": "#6d28d9", **LINKS}

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 24"><style>path { fill: #d4a800 }</style>'
    b'<path d="M0 0h24l24 24H0z"/></svg>'
)


def png(width: int = 48, height: int = 48, colour: tuple[int, int, int] = (109, 40, 217)) -> bytes:
    """A PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def ittybit(folder: Path, *, logo: bytes | None = None, **changes: str) -> dict[str, str]:
    """The environment of the operator, with the logo in a file."""
    file = folder / "logo"
    file.write_bytes(logo or png())
    return {**ITTYBIT, "BRAND_LOGO_FILE": str(file), **changes}


def settings_in(environment: dict[str, str]) -> dict[str, Any]:
    """The settings that config/settings.py reads differently because of these variables."""
    plain = _read({})
    return {name: value for name, value in _read(environment).items() if name.isupper() and value != plain[name]}


def _read(environment: dict[str, str]) -> dict[str, Any]:
    with mock.patch.dict(os.environ, environment):
        return runpy.run_path(str(REPOSITORY / "config" / "settings.py"))
