"""Where this code lies, in a checkout or in a Python environment into which a wheel installed it, and its version."""

import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A wheel has everything that runs, and not the file that it is built from.
IS_CHECKOUT = (ROOT / "pyproject.toml").exists()
# The program of our commands, as in `manage.py migrate`.
MANAGE = "manage.py" if IS_CHECKOUT else "latchkey"


def version() -> str:
    """Of the release that this is, or of the one before it if the checkout is newer."""
    if not IS_CHECKOUT:
        return metadata.version("latchkey")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])
