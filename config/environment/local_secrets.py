"""Secrets that a local server makes for itself, so that `make run` asks nothing.

Production takes them from the environment instead and never reads these files.
"""

import os
import secrets
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

# The files that this process made. Nothing is logged before the settings are there.
made: list[Path] = []


def new_secret_key() -> str:
    return secrets.token_urlsafe(64)


def new_ring() -> str:
    """One 256-bit key in the notation of KEY_RING and KEY_PEPPERS, `id:base64`."""
    return f"k1:{b64encode(secrets.token_bytes(32)).decode()}"


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """The text of `path`, made with mode 0600 if it is missing.

    Two processes that start at once agree: the file appears whole by `link`, which fails if it exists.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(make() + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        else:
            made.append(path)
        finally:
            draft.unlink()
    return path.read_text().strip()
