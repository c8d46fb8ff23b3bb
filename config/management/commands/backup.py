"""Backs Latchkey up, and brings it back."""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.installation import MANAGE
from config.backups import saved_database, saved_files

SECRETS = "SECRET_KEY, KEY_PEPPERS and KEY_RING"


class Command(BaseCommand):
    help = (
        "save writes the database and the uploaded files into a new folder, never the secrets: keep "
        f"{SECRETS} somewhere else. restore brings them back into an empty database at DATABASE_URL and an empty "
        "DATA_DIR, then proves with the environment's KEY_PEPPERS and KEY_RING that every key came back. On PostgreSQL "
        "it needs pg_dump and pg_restore of PostgreSQL's own version or a later one."
    )
    # A database that is to be restored is empty.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["save", "restore"])
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, action: str, folder: Path, **options: Any) -> None:
        # What is unfinished is removed then, and the file with the database's password.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        if action == "save":
            self._save(folder.absolute())
        else:
            self._restore(folder.absolute())

    def _save(self, folder: Path) -> None:
        if folder.exists():
            raise CommandError(f"{folder} exists. Name a new folder.")
        saved_database.refuse_missing()
        os.umask(0o077)
        try:
            _write(folder)
        except OSError as error:
            raise CommandError(f"Nothing was saved: {error}.") from error
        self.stdout.write(f"Saved to {folder}, without the secrets. Keep {SECRETS} somewhere else.")

    def _restore(self, folder: Path) -> None:
        for name in (saved_database.file_name(), saved_files.FILE_NAME):
            if not (folder / name).exists():
                raise CommandError(f"{folder} holds no backup. It lacks {name}.")
        saved_files.refuse_files()
        saved_files.refuse_wrong(folder / saved_files.FILE_NAME)
        saved_database.restore(folder / saved_database.file_name())
        try:
            saved_files.restore(folder / saved_files.FILE_NAME)
        except OSError as error:
            raise CommandError(
                f"The database was restored, but not all files: {error}. Empty the database and DATA_DIR/files, then "
                "try again."
            ) from error
        call_command("migrate", interactive=False, verbosity=0)
        call_command("checkkeys", stdout=self.stdout)
        self.stdout.write(f"Restored from {folder}. Next, run: {MANAGE} collectstatic --no-input, then {MANAGE} serve")


def _write(folder: Path) -> None:
    """A backup gets its name when it is whole. One that was cut passes for none, and is not in the next one's way."""
    unfinished = folder.parent / f"unfinished-backup.{os.getpid()}"
    try:
        unfinished.mkdir(parents=True)
        # The database first: a file that is uploaded meanwhile is then one too many, and not one that is missing.
        saved_database.save(unfinished / saved_database.file_name())
        saved_files.save(unfinished / saved_files.FILE_NAME)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
