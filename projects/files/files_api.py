"""The built-in resource: a project's files. The project is the key's own, so no call names one."""

from datetime import datetime
from typing import Any, Protocol

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from ninja import Field, P, QueryEx, Router, Schema, Status

from accounts.models import User
from common.answers.envelope import Refused, envelope, list_envelope
from common.answers.refusals import INVALID
from common.answers.schemas import ErrorAnswer, ListAnswer, ObjectAnswer
from common.client_address import client_address
from common.slow_clients import transfers
from projects.files import storage
from projects.models import File, Project
from projects.refusals import (
    FILE_TOO_LARGE,
    LENGTH_REQUIRED,
    STORAGE_EXCEEDED,
    TOO_MANY_FILES,
    UNSUPPORTED_MEDIA_TYPE,
)

PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
# This keeps an offset far within the integers of both databases.
MAX_PAGE = 1_000_000_000
# The part of a multipart body beside its file: boundaries and headers.
MULTIPART_OVERHEAD = 64 * 1024


class Caller(Protocol):
    """The caller's identity, as far as files need it."""

    @property
    def project_pk(self) -> int: ...
    @property
    def project_id(self) -> str: ...
    @property
    def user_pk(self) -> int: ...
    @property
    def key_pk(self) -> int: ...


class ApiRequest(HttpRequest):
    """The request that an API view receives: its key was accepted."""

    identity: Caller


class FileLinks(Schema):
    self: str
    content: str = Field(description="The file's bytes.")


class FileObject(Schema):
    id: str
    name: str = Field(description="The uploaded name without its path and without invisible characters.")
    size: int = Field(description="Bytes.")
    content_type: str = Field(description="What the uploading program claimed.")
    created_at: datetime = Field(description="ISO 8601, UTC.")
    created_by: str = Field(description="The id of the user whose key uploaded it.")
    links: FileLinks


class FileAnswer(ObjectAnswer):
    data: FileObject


class FileListAnswer(ListAnswer):
    data: list[FileObject]


router = Router(tags=["Files"])
# Besides what every call with a key can answer.
REFUSALS = dict.fromkeys((400, 404), ErrorAnswer)
UPLOAD_REFUSALS = dict.fromkeys((400, 404, 408, 409, 411, 413, 415, 422), ErrorAnswer)

_UPLOAD_DOCUMENT = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The file; it may be empty."}
                    },
                }
            }
        },
    },
    "responses": {201: {"headers": {"Location": {"description": "The file's address.", "schema": {"type": "string"}}}}},
}
_DOWNLOAD_DOCUMENT = {
    "responses": {
        200: {
            "headers": {
                "Content-Disposition": {
                    "description": "Always attachment, with the file's name, in ASCII too (RFC 6266).",
                    "schema": {"type": "string"},
                }
            },
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    }
}


def _project(request: ApiRequest) -> Project:
    return get_object_or_404(Project.objects.alive(), pk=request.identity.project_pk)


def _file(request: ApiRequest, file_id: str) -> File:
    return get_object_or_404(_project(request).files.select_related("created_by"), public_id=file_id)


def _address(file: File) -> str:
    return reverse("api:file", args=[file.public_id])


def _object(file: File) -> dict[str, Any]:
    return {
        "id": file.public_id,
        "name": file.name,
        "size": file.size,
        "content_type": file.content_type,
        "created_at": file.created_at,
        "created_by": file.created_by.public_id,
        "links": {"self": _address(file), "content": f"{_address(file)}/content"},
    }


def _answer(request: ApiRequest, file: File) -> dict[str, Any]:
    return envelope(request, kind="object", data=_object(file), links={"self": _address(file)})


@router.get(
    "", response={200: FileListAnswer, **REFUSALS, 422: ErrorAnswer}, operation_id="listFiles", url_name="files"
)
def list_files(
    request: ApiRequest,
    page: QueryEx[int, P(ge=1, le=MAX_PAGE, description="The page's number.")] = 1,
    limit: QueryEx[int, P(ge=1, le=MAX_PAGE_SIZE, description="The most files a page holds.")] = PAGE_SIZE,
) -> dict[str, Any]:
    """The project's files, newest first. A page beyond the last is empty."""
    found = _project(request).files.select_related("created_by")
    start = (page - 1) * limit
    data = [_object(file) for file in found[start : start + limit]]
    return list_envelope(request, data, page=page, limit=limit, total=found.count())


@router.post(
    "",
    response={201: FileAnswer, **UPLOAD_REFUSALS},
    operation_id="uploadFile",
    url_name="files",
    openapi_extra=_UPLOAD_DOCUMENT,
)
def upload_file(request: ApiRequest, response: HttpResponse) -> Status[dict[str, Any]]:
    """Stores a file for the project, sent as the field file of a multipart form."""
    project = _project(request)
    _refuse_unread(request)
    with transfers.upload(request):
        file = _stored(request, project)
    response["Location"] = _address(file)
    return Status(201, _answer(request, file))


def _stored(request: ApiRequest, project: Project) -> File:
    upload = _uploaded(request)
    try:
        return storage.add_file(project=project, upload=upload, by=User.objects.get(pk=request.identity.user_pk))
    except storage.FileTooLarge:
        raise _too_large() from None
    except (storage.QuotaExceeded, storage.UserQuotaExceeded, storage.TooManyFiles) as error:
        raise _full(error) from None


def _full(error: Exception) -> Refused:
    """The refusal that tells what to do when a file does not fit."""
    if isinstance(error, storage.TooManyFiles):
        most = f"{settings.MAX_FILES_PER_PROJECT:,} files"
        return Refused(TOO_MANY_FILES, f"This project has reached its limit of {most}. Delete some files.")
    if isinstance(error, storage.UserQuotaExceeded):
        whose, quota = "All projects of an owner of this project", settings.USER_QUOTA
    else:
        whose, quota = "The project's files", settings.PROJECT_QUOTA
    message = f"{whose} can have at most {filesizeformat(quota)} together. Delete some files."
    return Refused(STORAGE_EXCEEDED, message)


def _refuse_unread(request: ApiRequest) -> None:
    """Judges the body by its headers, so that nothing of a hopeless body is read."""
    if request.content_type != "multipart/form-data":
        raise Refused(UNSUPPORTED_MEDIA_TYPE)
    length = request.META.get("CONTENT_LENGTH", "")
    if not length.isdecimal():
        raise Refused(LENGTH_REQUIRED)
    # The digits are counted first, because Python refuses to parse a number of thousands of digits.
    if len(length) > 18 or int(length) > settings.MAX_FILE_SIZE + MULTIPART_OVERHEAD:
        raise _too_large()


def _too_large() -> Refused:
    return Refused(
        FILE_TOO_LARGE, f"A file can have at most {filesizeformat(settings.MAX_FILE_SIZE)}. Send a smaller one."
    )


def _uploaded(request: ApiRequest) -> UploadedFile:
    with storage.writing("DATA_DIR/uploads"):
        uploads = request.FILES.getlist("file")
    if len(uploads) != 1:
        message = f"file: send one file with a name in this multipart field; there are {len(uploads)}."
        raise Refused(INVALID, message)
    return uploads[0]


@router.get("/{file_id:file_id}", response={200: FileAnswer, **REFUSALS}, operation_id="getFile", url_name="file")
def get_file(request: ApiRequest, file_id: str) -> dict[str, Any]:
    """One file of the project: its name, size and date, without its bytes."""
    return _answer(request, _file(request, file_id))


@router.delete("/{file_id:file_id}", response={204: None, **REFUSALS}, operation_id="deleteFile", url_name="file")
def delete_file(request: ApiRequest, file_id: str) -> Status[None]:
    """Deletes a file of the project for good."""
    file = _file(request, file_id)
    key = file.project.api_keys.select_related("responsible").get(pk=request.identity.key_pk)
    storage.delete_file(file=file, by=key.responsible, key=key, address=client_address(request))
    return Status(204, None)


@router.get(
    "/{file_id:file_id}/content",
    response={200: None, **REFUSALS},
    operation_id="downloadFile",
    openapi_extra=_DOWNLOAD_DOCUMENT,
)
def download_file(request: ApiRequest, file_id: str) -> FileResponse:
    """The file's bytes, always as an attachment and never as the type that its sender claimed."""
    file = _file(request, file_id)
    options = {"as_attachment": True, "content_type": storage.UNKNOWN_TYPE}
    response = transfers.download(request, lambda: storage.open_bytes(file), **options)
    response["Content-Disposition"] = storage.content_disposition(file.name)
    # If a browser shows it nevertheless, it has no origin and runs no script.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
