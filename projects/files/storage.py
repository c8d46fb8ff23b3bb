"""Every change of a project's files: storing and deleting them."""

import os.path
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.files import File as StoredBytes
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Count, Sum
from django.http import UnreadablePostError

from accounts.models import User
from common import outages
from common.gone import Gone
from common.names import without_hidden_characters
from projects import audit_kinds
from projects.audit_log.recording import Key, record
from projects.locks import lock_project, lock_users
from projects.models import File, Membership, Project
from projects.permissions import Permission

MAX_NAME_LENGTH = 255
UNKNOWN_TYPE = "application/octet-stream"

# RFC 6838, 4.2; a hundred characters fit the column.
_CONTENT_TYPE = re.compile(r"(?=.{3,100}\Z)[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
# Characters that end or escape a quoted name, that part a path, and "%", which some programs decode (RFC 6266, appendix
# D).
_NOT_IN_A_HEADER = re.compile(r'(?:[^ -~]|["\\/%])+')


class FileGone(Gone):
    """The file was deleted in the meantime."""


class StorageUnavailable(Exception):
    """Bytes cannot be written or read at the moment. The text says so to the person or program that asked."""


class FileTooLarge(Exception):
    """The file has more than settings.MAX_FILE_SIZE bytes."""


class QuotaExceeded(Exception):
    """The project's files would have more than settings.PROJECT_QUOTA bytes together."""


class UserQuotaExceeded(Exception):
    """The files of all projects of an owner would have more than settings.USER_QUOTA bytes together."""


class TooManyFiles(Exception):
    """The project has settings.MAX_FILES_PER_PROJECT files."""


def clean_file_name(value: str) -> str:
    """The last part of `value`, with either separator, in NFC, without invisible characters.

    At most 255 characters, with its extension; "file" if nothing is left.
    """
    base = value.replace("\\", "/").rsplit("/", 1)[-1]
    name = without_hidden_characters(base)
    if name.strip(". ") == "":
        return "file"
    stem, extension = os.path.splitext(name)
    extension = extension[: MAX_NAME_LENGTH - 1]
    return stem[: MAX_NAME_LENGTH - len(extension)] + extension


def content_disposition(name: str) -> str:
    """The header of a download (RFC 6266): the name in ASCII, and the real name if it differs.

    Programs that know only the first part, such as curl, save under it. So it contains no character with a meaning in a
    header or a file system, and no leading dot, which would hide the file.
    """
    fallback = _in_ascii(name)
    header = f'attachment; filename="{fallback}"'
    return header if fallback == name else f"{header}; filename*=utf-8''{quote(name, safe='')}"


def _in_ascii(name: str) -> str:
    """`name` with plain letters for accented ones and "_" for other characters; its extension is kept."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    stem, extension = os.path.splitext(_NOT_IN_A_HEADER.sub("_", letters).lstrip(". "))
    if not stem.strip("_. "):
        stem = "file"
    return clean_file_name(stem + extension)


def clean_content_type(value: str | None) -> str:
    """The client's own claim, if it is well-formed. Pages show it, and no header ever contains it."""
    claim = (value or "").lower()
    return claim if _CONTENT_TYPE.fullmatch(claim) else UNKNOWN_TYPE


def add_file(*, project: Project, upload: UploadedFile, by: User) -> File:
    """Stores `upload` for the project.

    Raises FileTooLarge, QuotaExceeded, UserQuotaExceeded or TooManyFiles, StorageUnavailable if the disk does not take
    the bytes, and ProjectGone if the project was deleted in the meantime; then nothing remains, neither row nor bytes.
    """
    size = upload.size or 0
    if size > settings.MAX_FILE_SIZE:
        raise FileTooLarge
    file = File(project=project, created_by=by, size=size)
    file.name = clean_file_name(upload.name or "")
    file.content_type = clean_content_type(upload.content_type)
    # Before the transaction, so that requests which wait for the project's lock do not wait for this disk.
    _save_bytes(file, upload)
    try:
        with transaction.atomic():
            _insert_within_quota(file)
    except BaseException:
        file.blob.storage.delete(file.blob.name)
        raise
    return file


def _save_bytes(file: File, upload: UploadedFile) -> None:
    storage = file.blob.storage
    name = file.blob.field.generate_filename(file, "blob")
    with writing("DATA_DIR/files"):
        try:
            file.blob = storage.save(name, upload)
        except OSError:
            with suppress(OSError):
                storage.delete(name)  # a full disk may have taken a part
            raise


@contextmanager
def writing(folder: str) -> Iterator[None]:
    """A context in which the bytes of a file are written to `folder`. Raises StorageUnavailable if that fails, for
    example on a full disk.

    The log tells why, without the path and the name of the file.
    """
    try:
        yield
    except UnreadablePostError:
        raise  # the client went away, and the disk is not to blame
    except OSError as error:
        outages.explain(f"Files cannot be written in {folder}: {error.strerror or type(error).__name__}.")
        raise StorageUnavailable("The server cannot store files at the moment. Nothing was stored.") from error


def _insert_within_quota(file: File) -> None:
    project = lock_project(file.project)
    used = project.files.aggregate(bytes=Sum("size"), files=Count("pk"))
    if used["files"] >= settings.MAX_FILES_PER_PROJECT:
        raise TooManyFiles
    if (used["bytes"] or 0) + file.size > settings.PROJECT_QUOTA:
        raise QuotaExceeded
    owners = list(project.memberships.that(Permission.OWN_PROJECT).values_list("user", flat=True))
    lock_users(owners)
    if _most_used(owners) + file.size > settings.USER_QUOTA:
        raise UserQuotaExceeded
    file.save(force_insert=True)


def _most_used(owners: list[int]) -> int:
    """The bytes in all projects of the owner who has the most."""
    theirs = Membership.objects.that(Permission.OWN_PROJECT).filter(user__in=owners, project__deleted_at=None)
    used = theirs.values("user").annotate(bytes=Sum("project__files__size")).values_list("bytes", flat=True)
    return max((found or 0 for found in used), default=0)


def delete_file(*, file: File, by: User | None, key: Key | None = None, address: str | None = None) -> None:
    """Deletes the row, then its bytes. Raises FileGone if it was deleted in the meantime.

    The event names the file, and the key with which a program deleted it.
    """
    with transaction.atomic():
        deleted, _ = File.objects.filter(pk=file.pk).delete()
        if not deleted:
            raise FileGone
        kind = audit_kinds.FILE_DELETED
        record(kind, project=file.project, key=key, by=by, address=address, before=file.name)
        delete_bytes_on_commit(file)


def delete_bytes_on_commit(file: File) -> None:
    storage, name = file.blob.storage, file.blob.name

    # A named function, because Django logs the failure of a robust callback by its name.
    def delete_bytes() -> None:
        storage.delete(name)

    # Robust: the file is gone once its row is deleted, even if the disk then fails.
    transaction.on_commit(delete_bytes, robust=True)


def open_bytes(file: File) -> "StoredBytes[Any]":
    """What was stored for `file`, opened.

    Raises FileGone if the file was deleted in the meantime, and StorageUnavailable if only its bytes cannot be read.
    Another server may have stored them in a folder that this server does not share.
    """
    try:
        opened: StoredBytes[Any] = file.blob.storage.open(file.blob.name)
    except OSError as error:
        if not File.objects.filter(pk=file.pk).exists():
            raise FileGone from error
        outages.explain(f"The bytes of {file.public_id} cannot be read in DATA_DIR/files: {error.strerror}.")
        raise StorageUnavailable("The file's bytes cannot be read at the moment.") from error
    return opened
