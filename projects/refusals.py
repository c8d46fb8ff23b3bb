"""The refusals of a project's files."""

from common.answers.refusals import Refusal

TOO_MANY_FILES = Refusal(
    code="too_many_files",
    status=409,
    message="This project has reached its limit of files. Delete some files.",
    when="the project has as many files as it can have, `MAX_FILES_PER_PROJECT` (10,000)",
    help="delete some",
)
FILE_TOO_LARGE = Refusal(
    code="file_too_large",
    status=413,
    message="The file is too large. Send a smaller one.",
    when="the file has more bytes than a file can have",
    help="send a smaller one",
)
STORAGE_EXCEEDED = Refusal(
    code="storage_exceeded",
    status=413,
    message="There is no room for the file. Delete some files.",
    when="the project's files, or the files of all projects of one of its owners, would have more bytes than they can "
    "have together",
    help="delete some",
)

LENGTH_REQUIRED = Refusal(
    code="length_required",
    status=411,
    message="Send the Content-Length of the body; it cannot be chunked.",
    when="an upload without Content-Length",
    help="send it; do not send the body chunked",
)
UNSUPPORTED_MEDIA_TYPE = Refusal(
    code="unsupported_media_type",
    status=415,
    message="Send the file as multipart/form-data, in the field 'file'.",
    when="an upload that is not `multipart/form-data`",
    help="send it as a form",
)

OF_FILES = (TOO_MANY_FILES, LENGTH_REQUIRED, FILE_TOO_LARGE, STORAGE_EXCEEDED, UNSUPPORTED_MEDIA_TYPE)
