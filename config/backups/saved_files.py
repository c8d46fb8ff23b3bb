"""The uploaded files' part of a backup: an archive of the folder `files` in DATA_DIR."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

FILE_NAME = "files.tar"


def save(target: Path) -> None:
    """People may upload and delete files meanwhile: what is gone when its turn comes is left out."""
    folder: Path = settings.MEDIA_ROOT
    with tarfile.open(target, "w") as archive:
        for path in _files(folder):
            try:
                opened = path.open("rb")
            except FileNotFoundError:
                continue
            with opened:
                archive.addfile(archive.gettarinfo(arcname=_name(path, folder), fileobj=opened), opened)


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in sorted(names))


def _name(path: Path, folder: Path) -> str:
    return str(Path(folder.name, path.relative_to(folder)))


def refuse_files() -> None:
    """Raises CommandError if there are files already."""
    if any(_files(settings.MEDIA_ROOT)):
        raise CommandError(f"{settings.MEDIA_ROOT} is not empty. Name another DATA_DIR.")


def restore(source: Path) -> None:
    """Raises CommandError for an archive that is not one of ours."""
    folder: Path = settings.MEDIA_ROOT
    with tarfile.open(source) as archive:
        for member in archive:
            path = Path(os.path.normpath(folder.parent / member.name))
            if member.isdir():
                continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is None or not path.is_relative_to(folder):
                raise CommandError(f"{source} holds {member.name!r}, which no backup of Latchkey holds.")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                shutil.copyfileobj(content, file)
