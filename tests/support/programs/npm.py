"""Programs from npm, each installed once for its lock file into the cache of the user."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "latchkey-tests"
# An upper bound for failures, far above the time that a busy machine needs.
SECONDS_TO_INSTALL = 300


class NotInstalled(Exception):
    """npm is missing, or could not install the packages; the text says which."""


def installed(source: Path, name: str, program: str) -> Path:
    """A folder with the packages of `source`'s lock file and its program, installed with `npm ci` if it is not there
    yet. Raises NotInstalled.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled("npm is missing")
    files = [source / each for each in ("package.json", "package-lock.json", program)]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = CACHE / f"{name}-{digest}"
    if (folder / program).exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f"{name}-new-", dir=CACHE))
    try:
        for file in files:
            shutil.copy(file, new)
        _install(npm, new)
        with suppress(OSError):  # another process was first
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def _install(npm: str, folder: Path) -> None:
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=SECONDS_TO_INSTALL)
    except (subprocess.SubprocessError, OSError) as error:
        raise NotInstalled(f"npm failed ({type(error).__name__}: {getattr(error, 'stderr', b'')!r})") from error
