"""Where this code lies: in a checkout, or in a Python environment into which a wheel installed it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A wheel has everything that runs, and not the file that it is built from.
IS_CHECKOUT = (ROOT / "pyproject.toml").exists()
# The program of our commands, as in `manage.py migrate`.
MANAGE = "manage.py" if IS_CHECKOUT else "latchkey"
