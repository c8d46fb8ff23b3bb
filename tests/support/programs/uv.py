"""The program uv: the machine's own, or the one that `make` puts into .uv."""

import shutil

from tests.support.environment import REPOSITORY, lacking


def find_uv() -> str:
    own = REPOSITORY / ".uv" / "bin" / "uv"
    return shutil.which("uv") or (str(own) if own.exists() else lacking("uv"))
