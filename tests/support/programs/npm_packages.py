"""Programs of Node with their packages from npm, installed once for each lock file."""

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


def install(source: Path, name: str) -> Path:
    """A folder in the cache with the files of `source` and the packages of its lock file.

    `npm ci` fills the folder if the cache has none for exactly these files.
    """
    npm = shutil.which("npm") or lacking("npm")
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
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            subprocess.run(command, cwd=new, check=True, capture_output=True, timeout=SECONDS_TO_INSTALL)
        except (subprocess.SubprocessError, OSError) as error:
            lacking(f"npm's packages of {name} ({type(error).__name__}: {getattr(error, 'stderr', b'')!r})")
        with suppress(OSError):  # another process of the tests was first
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder
