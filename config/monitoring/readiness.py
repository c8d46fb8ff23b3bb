"""What has to be there before anybody is served. Without it `serve` does not start and /health/ready answers 503.

Each problem is one sentence that names the setting and the command that helps. A database that is away is different:
the server starts, logs that it is not ready, and serves as soon as the database is back.
"""

import filecmp
import os
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from apikeys.secrets import integrity
from common import database_deadline, outages
from common.installation import MANAGE
from common.postgresql import pooler
from config import older_database
from config.monitoring import clock

_COLLECT = f"Run: {MANAGE} collectstatic --no-input"
# These are checked once: they cost more than a supervisor's request may, and only a restart changes them.
_settled: set[str] = set()


def problem() -> str | None:
    """The first reason not to serve; None if there is none."""
    try:
        return _files_problem() or _database_problem() or clock.problem()
    except ImproperlyConfigured as error:
        return str(error)
    except Error as error:
        return f"DATABASE_URL: the database cannot be asked: {outages.words(error)}"


def refusal(*, pages: bool = True) -> str | None:
    """Why `serve` must not start, on one line; None if it may. A database that is away, or a clock that is wrong, is no
    reason: both pass without a restart. Only `pages` need static files and a folder to write in.
    """
    if wrong := [message for message in checks.run_checks() if message.is_serious() and not message.is_silenced()]:
        return " ".join(outages.words(f"{message.msg} {message.hint or ''}") for message in wrong)
    try:
        with database_deadline.Begun():
            found = (pages and (_files_problem() or _probe_folder())) or _database_problem()
            if not found and (wrong_clock := clock.problem()):
                outages.log("not_ready", wrong_clock)
            return found
    except ImproperlyConfigured as error:
        return str(error)
    except Error as error:
        outages.log("not_ready", f"DATABASE_URL: the database cannot be asked: {outages.words(error)}")
        return None
    finally:
        connection.close()


@cache
def expected_migrations() -> frozenset[tuple[str, str]]:
    """The migrations that this release's code needs. Read when a process starts, because an upgrade changes the files
    below it.
    """
    found = set()
    for config in apps.get_app_configs():
        module, _ = MigrationLoader.migrations_module(config.label)
        try:
            package = import_module(module or "")
        except (ImportError, ValueError):
            continue  # an app without tables
        names = (name for _, name, is_package in iter_modules(package.__path__) if not is_package)
        found |= {(config.label, name) for name in names if name[0] not in "_~"}
    return frozenset(found)


def _database_problem() -> str | None:
    connection.ensure_connection()
    if connection.vendor == "postgresql":
        encoding = connection.connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            return f"DATABASE_URL: the database's encoding is {encoding}. Make one with ENCODING 'UTF8'."
    applied = MigrationRecorder(connection).applied_migrations().keys()
    if older := older_database.problem(applied):
        return f"DATABASE_URL: {older}"
    missing = sorted(expected_migrations() - applied)
    if missing:
        names = ", ".join(f"{app} {name}" for app, name in missing[:3])
        more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
        return f"DATABASE_URL: the database lacks the migrations {names}{more}. Run: {MANAGE} migrate"
    return _once("limits", pooler.problem) or _once("peppers", _pepper_problem)


def _once(name: str, find: Callable[[], str | None]) -> str | None:
    if name in _settled:
        return None
    found = find()
    if found is None:
        _settled.add(name)
    return found


def _pepper_problem() -> str | None:
    if wrong := integrity.wrong_peppers():
        ids = ", ".join(wrong)
        return (
            f"KEY_PEPPERS: the pepper with the id {ids} is not the one that the keys were made with. Every request "
            "using them would be rejected. Put the former pepper back."
        )
    return None


def _files_problem() -> str | None:
    """A problem of static files, where pages are served. With DEBUG on, static files come from the source folder."""
    if settings.DEBUG or not apps.is_installed("django.contrib.staticfiles"):
        return None
    # Processes that only check keys load none of it.
    from django.contrib.staticfiles.storage import staticfiles_storage

    storage: Any = staticfiles_storage
    if not (storage.hashed_files and storage.manifest_storage.exists(storage.manifest_name)):
        return f"STATIC_ROOT: static files are missing in {settings.STATIC_ROOT}. {_COLLECT}"
    return _once("static files", _stale_files_problem)


def _stale_files_problem() -> str | None:
    """Whether every static file of this release was collected, as it is now. A page that names a file of this release
    and finds those of an earlier one is answered 500.
    """
    from django.contrib.staticfiles.finders import get_finders
    from django.contrib.staticfiles.storage import staticfiles_storage

    from config.staticfiles import ServedStaticFiles

    storage: Any = staticfiles_storage
    finders = reversed([*get_finders()])  # where several have a file of one name, the first finder's is collected
    ignored = ServedStaticFiles.ignore_patterns
    sources = {path: source.path(path) for finder in finders for path, source in finder.list(ignored)}
    for path, source in sources.items():
        collected = storage.path(path)
        is_there = path in storage.hashed_files and os.path.exists(collected)
        if not (is_there and filecmp.cmp(source, collected, shallow=False)):
            return f"STATIC_ROOT: static files in {settings.STATIC_ROOT} are of another release ({path}). {_COLLECT}"
    return None


def _probe_folder() -> str | None:
    """Writes a file, because permissions tell nothing about a file system that is full or read-only."""
    for folder in (settings.FILE_UPLOAD_TEMP_DIR, settings.MEDIA_ROOT):
        try:
            os.makedirs(folder, exist_ok=True)  # UMASK decides who else may use it
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        except OSError as error:
            return f"DATA_DIR: cannot write in {folder}: {error.strerror}. The server's own user has to be able to."
    return None
