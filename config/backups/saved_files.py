"""The uploaded files' part of a backup: an archive of the folder `files` in DATA_DIR."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

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


def refuse_wrong(source: Path) -> None:
    """Raises CommandError for an archive that is cut, or that is not one of ours."""
    try:
        with tarfile.open(source) as archive:
            paths = [path for _, path in _files_in(archive)]
    except tarfile.TarError as error:
        raise CommandError(f"Nothing was restored: {source} is not whole ({error}).") from error
    if len(set(paths)) < len(paths):
        raise CommandError(f"Nothing was restored: {source} holds a file twice, which no backup of Latchkey does.")


def restore(source: Path) -> None:
    """Expects that `refuse_wrong` has read the archive."""
    with tarfile.open(source) as archive:
        for member, path in _files_in(archive):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                shutil.copyfileobj(cast(IO[bytes], archive.extractfile(member)), file)


def _files_in(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, Path]]:
    """The archive's files, and where they belong. Raises CommandError for what no backup of ours holds."""
    folder: Path = settings.MEDIA_ROOT
    for member in archive:
        path = Path(os.path.normpath(folder.parent / member.name))
        if not member.isdir():
            if not member.isreg() or not path.is_relative_to(folder):
                raise CommandError(f"Nothing was restored: no backup of Latchkey holds {member.name!r}.")
            yield member, path
