"""The environment that settings.py reads, set before pytest-django loads it (`-p tests.support.environment` in
pyproject.toml).

Tests run on their own PostgreSQL, or on an SQLite file with TEST_DATABASE=sqlite.
"""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.programs.postgres import Postgres

REPOSITORY = Path(__file__).resolve().parents[2]
ON_SQLITE = os.environ.get("TEST_DATABASE", "postgresql") == "sqlite"
IN_CI = os.environ.get("CI") == "true"

DATA_DIR = Path(tempfile.mkdtemp(prefix="latchkey-data-"))
SQLITE_FILE = DATA_DIR / "test.sqlite3"
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
# SIGTERM stops and removes everything, as Ctrl+C does.
signal.signal(signal.SIGTERM, signal.default_int_handler)

postgres = Postgres()

# Tests ignore the developer's own configuration.
for name in (
    *("ENV", "DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "LOG_JSON", "LOG_LEVEL"),
    *("KEY_PEPPERS", "KEY_RING", "KEY_PREFIX", "MAX_KEYS_PER_PROJECT", "API_URL", "MAX_FILE_SIZE", "PROJECT_QUOTA"),
    *(
        "CHECK_PORT",
        "CHECK_WORKERS",
        "VERDICT_LEASE",
        "LEASED_ROWS",
        "MAX_PROJECTS_PER_USER",
        "MAX_DELETED_PROJECTS_PER_USER",
        "USER_QUOTA",
    ),
    *("MAX_NEW_KEYS_PER_DAY", "MAX_DELETED_KEYS_PER_PROJECT", "MAX_FILES_PER_PROJECT", "MAX_KEY_DAYS"),
    *("SESSION_IDLE_SECONDS", "SECURITY_CONTACT", "SECRET_KEY_FALLBACKS", "UMASK", "SIGN_UP", "SIGN_UP_DOMAINS"),
    *(
        "SIGN_IN",
        "OIDC_ISSUER",
        "OIDC_CLIENT_ID",
        "OIDC_CLIENT_SECRET",
        "OIDC_NAME",
        "OIDC_TRUST_EMAIL",
        "OIDC_SECONDS",
    ),
    *("EMAIL_URL", "EMAIL_VERIFICATION", "REAUTHENTICATION_SECONDS", "CACHE_URL", "BASE_URL", "GITHUB_PUBLIC_KEYS"),
    *("BRAND_NAME", "BRAND_LOGO", "BRAND_ACCENT", "KEY_VARIABLE", "SNIPPET_PATH", "SHOW_FILES"),
    *("DOCS_URL", "SUPPORT_URL", "STATUS_URL", "TERMS_URL", "PRIVACY_URL"),
):
    os.environ.pop(name, None)
    os.environ.pop(f"{name}_FILE", None)
# The tests start some hundred servers and commands. With compiled bytecode each starts in half the time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["DATA_DIR"] = str(DATA_DIR)
os.environ["DATABASE_URL"] = f"sqlite:///{DATA_DIR}/latchkey.sqlite3" if ON_SQLITE else postgres.url
os.environ["FAILED_KEYS_PER_MINUTE"] = "0"  # all tests have one address; tests of this limit set it
os.environ["REPORTS_PER_MINUTE"] = "0"  # likewise
os.environ["USAGE_FLUSH_SECONDS"] = "0"  # no writer thread runs during tests; they call flush() themselves
os.environ["MAIL_RETRY_SECONDS"] = "0"  # likewise: they call senders.send_due()
os.environ["HOUSEKEEPING_SECONDS"] = "0"  # likewise: they call the tasks themselves


def lacking(what: str) -> NoReturn:
    """Skips the test. In CI, where nothing may be missing, fails the test."""
    if IN_CI:
        pytest.fail(f"{what} is missing, and CI=true allows no skips.")
    pytest.skip(f"{what} is missing.")
