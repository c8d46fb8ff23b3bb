"""What a refusal is, and the refusals that no app owns. Those of files and of keys are in their apps' `refusals.py`.

A code stands in one table. Code that refuses names the refusal itself, so that status, message and headers follow.
"""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An error that the API answers. The texts `when` and `help` are parts of sentences, with `code` in backticks."""

    code: str
    status: int
    message: str  # what the caller is told; whoever refuses may tell more precisely
    when: str  # in which case it is answered
    help: str  # what the caller can do
    outcome: str = ""  # as the call is counted for its key; "" where it is counted for no key
    reason: str = ""  # the outcome in words
    bearer_error: str = ""  # the `error` of RFC 6750 in WWW-Authenticate, which every 401 carries
    without_files: tuple[tuple[str, str], ...] = ()  # the texts that are others if SHOW_FILES is off

    def worded(self, *, shows_files: bool) -> "Refusal":
        """The refusal in the words of a server whose API has files, or has none."""
        others: dict[str, Any] = {} if shows_files else dict(self.without_files)
        return replace(self, **others)


BAD_REQUEST = Refusal(
    code="bad_request",
    status=400,
    message="The request is malformed. Check its address and headers.",
    when="the request cannot be read: a broken multipart body, a report that is not JSON, a NUL in the query",
    help="correct the request",
)
HTTPS_REQUIRED = Refusal(
    code="https_required",
    status=403,
    message="Use https. Roll any key that was sent over http.",
    when="the request came over plain HTTP",
    help="use https, and roll the key: it was sent in the clear",
)
NOT_FOUND = Refusal(
    code="not_found",
    status=404,
    message="There is nothing here. Check the address and the id.",
    when="no such address, or no such file in the key's project",
    help="check address and id",
    without_files=(("when", "no such address"), ("help", "check the address")),
)
METHOD_NOT_ALLOWED = Refusal(
    code="method_not_allowed",
    status=405,
    message="Use one of the methods that the header Allow names.",
    when="the address does not take this method",
    help="use one that `Allow` names",
)
REQUEST_TIMEOUT = Refusal(
    code="request_timeout",
    status=408,
    message="Only a part of what was sent has arrived. Nothing was changed. Send it again.",
    when="the client stopped in the middle of the body, for `CLIENT_SECONDS` (60) or for good",
    help="send it again",
)
REQUEST_TOO_LARGE = Refusal(
    code="request_too_large",
    status=413,
    message="The body holds more than this call takes: a form more than the field 'file', or a report too many "
    "secrets.",
    when="the form holds more than one file, or too many or too large other fields; a report of more than 256 KiB",
    help="send the field `file` alone; fewer secrets at once",
    without_files=(
        ("message", "The body holds more than this call takes: a report too many secrets."),
        ("when", "a report of more than 256 KiB"),
        ("help", "send fewer secrets at once"),
    ),
)
INVALID = Refusal(
    code="invalid",
    status=422,
    message="A parameter or a field is missing or out of range.",
    when="a parameter is out of range, a field of a report is missing, or the field `file` is missing or has no name",
    help="do as the message says",
    without_files=(("when", "a parameter is out of range, or a field of a report is missing"),),
)
INTERNAL_ERROR = Refusal(
    code="internal_error",
    status=500,
    message="Something broke on our side. Quote the request id.",
    when="something broke on the server",
    help="report it with the request's id",
)
_UNAVAILABLE_WITHOUT_FILES = (
    "the server cannot reach its database, so it allows no request; or it receives as many bodies as it can, and read "
    "nothing of this one"
)
UNAVAILABLE = Refusal(
    code="unavailable",
    status=503,
    message="Temporarily unavailable. Try again shortly.",
    when="the server cannot reach its database, so it allows no request; or it sends or receives as many files or "
    "bodies as it can, and read nothing of this one; or a file's bytes cannot be read or written",
    help="wait as `Retry-After` says",
    without_files=(("when", _UNAVAILABLE_WITHOUT_FILES),),
)

GENERAL = (
    *(BAD_REQUEST, HTTPS_REQUIRED, NOT_FOUND, METHOD_NOT_ALLOWED, REQUEST_TIMEOUT),
    *(REQUEST_TOO_LARGE, INVALID, INTERNAL_ERROR, UNAVAILABLE),
)
