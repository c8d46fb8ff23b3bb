"""Programs of Node with their packages from npm, installed once for each lock file into the user's cache."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.support.environment import lacking

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "latchkey-tests"
# An upper bound for failures, far above the time that a busy machine needs.
SECONDS_TO_INSTALL = 300


class NotInstalled(Exception):
    """npm is missing, or could not install the packages; the text says which."""


def install(source: Path, name: str) -> Path:
    """As `installed`, for a test: without the packages it is skipped, or fails with CI=true."""
    try:
        return installed(source, name)
    except NotInstalled as error:
        lacking(f"npm's packages of {name} ({error})")


def installed(source: Path, name: str) -> Path:
    """A folder in the cache with the files of `source` and the packages of its lock file.

    `npm ci` fills the folder if the cache has none for exactly these files. Raises NotInstalled.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled("npm is missing")
    files = sorted(file for file in source.iterdir() if file.suffix in {".js", ".json"})
    content = b"".join(file.name.encode() + b"\0" + file.read_bytes() for file in files)
    folder = CACHE / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}"
    if (folder / "node_modules").exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f"{name}-new-", dir=CACHE))
    try:
        for file in files:
            shutil.copy(file, new)
        _ci(npm, new)
        with suppress(OSError):  # another process was first
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def _ci(npm: str, folder: Path) -> None:
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=SECONDS_TO_INSTALL)
    except (subprocess.SubprocessError, OSError) as error:
        raise NotInstalled(f"npm failed ({type(error).__name__}: {getattr(error, 'stderr', b'')!r})") from error
