"""Every change of a project's files: how one comes, and how it goes."""

import os.path
import re
from typing import Any

from django.conf import settings
from django.core.files import File as StoredBytes
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Sum
from django.http import Http404

from accounts.models import User
from common import outages
from projects.envelope import Refused
from projects.models import File, Project
from projects.names import without_hidden_characters

MAX_NAME_LENGTH = 255
UNKNOWN_TYPE = "application/octet-stream"

# RFC 6838, 4.2; a hundred characters fit the column.
_CONTENT_TYPE = re.compile(r"(?=.{3,100}\Z)[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")


class FileTooLarge(Exception):
    """The file has more than settings.MAX_FILE_SIZE bytes."""


class QuotaExceeded(Exception):
    """The project's files would have more than settings.PROJECT_QUOTA bytes together."""


def clean_file_name(value: str) -> str:
    """The last part of `value`, whichever separator it uses, in NFC, without hidden characters.

    At most 255 characters, its extension kept; "file" if nothing is left.
    """
    base = value.replace("\\", "/").rsplit("/", 1)[-1]
    name = without_hidden_characters(base)
    if name.strip(". ") == "":
        return "file"
    stem, extension = os.path.splitext(name)
    extension = extension[: MAX_NAME_LENGTH - 1]
    return stem[: MAX_NAME_LENGTH - len(extension)] + extension


def clean_content_type(value: str | None) -> str:
    """The client's own claim, if it has the shape of one. It is shown, and never served as a header."""
    claim = (value or "").lower()
    return claim if _CONTENT_TYPE.fullmatch(claim) else UNKNOWN_TYPE


def add_file(*, project: Project, upload: UploadedFile, by: User) -> File:
    """Stores `upload` for the project.

    Raises FileTooLarge or QuotaExceeded, and Http404 if the project was deleted in the meantime; then
    nothing remains, neither row nor bytes.
    """
    size = upload.size or 0
    if size > settings.MAX_FILE_SIZE:
        raise FileTooLarge
    file = File(project=project, created_by=by, size=size)
    file.name = clean_file_name(upload.name or "")
    file.content_type = clean_content_type(upload.content_type)
    # Before the transaction: others who wait for the project's lock do not wait for this disk.
    file.blob.save("blob", upload, save=False)
    try:
        with transaction.atomic():
            _insert_within_quota(file)
    except BaseException:
        file.blob.storage.delete(file.blob.name)
        raise
    return file


def _insert_within_quota(file: File) -> None:
    # The lock makes the quota true for uploads that arrive together. Not a whole one: a pause needs the project for its
    # event, and must not wait until a leaked key stops uploading.
    project = Project.objects.alive().select_for_update(no_key=True).filter(pk=file.project_id).first()
    if project is None:
        raise Http404
    used = project.files.aggregate(bytes=Sum("size"))["bytes"] or 0
    if used + file.size > settings.PROJECT_QUOTA:
        raise QuotaExceeded
    file.save(force_insert=True)


def delete_file(*, file: File) -> bool:
    """Deletes the row, then its bytes. False if it was deleted in the meantime."""
    with transaction.atomic():
        deleted, _ = File.objects.filter(pk=file.pk).delete()
        if deleted:
            delete_bytes_on_commit(file)
    return bool(deleted)


def delete_bytes_on_commit(file: File) -> None:
    storage, name = file.blob.storage, file.blob.name

    # A named function, for Django logs the failure of a robust callback by its name.
    def delete_bytes() -> None:
        storage.delete(name)

    # Robust: the file is gone once its row is, even if the disk then refuses.
    transaction.on_commit(delete_bytes, robust=True)


def open_bytes(file: File) -> "StoredBytes[Any]":
    """What was stored for `file`, opened.

    Raises FileNotFoundError if the file was deleted in the meantime, and Refused if only its bytes cannot be read.
    Another server may have stored them in a folder that this server does not share.
    """
    try:
        opened: StoredBytes[Any] = file.blob.storage.open(file.blob.name)
    except OSError as error:
        if not File.objects.filter(pk=file.pk).exists():
            raise FileNotFoundError from error
        outages.explain(f"The bytes of {file.public_id} cannot be read in DATA_DIR/files: {error.strerror}.")
        raise Refused(503, "unavailable", "The file's bytes cannot be read at the moment.") from error
    return opened
