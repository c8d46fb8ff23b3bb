"""The API reference: the OpenAPI document as a page of ours, with an example request and response for each call."""

import json
import shlex
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from apikeys.api.report import MESSAGE
from apikeys.pages.snippets import api_url
from apikeys.refusals import ALL, KEY_PAUSED
from projects.refusals import OF_FILES

_FILE_ID = "file_2Zk9QmT4bXw81LsA"
_FILE = {
    "id": _FILE_ID,
    "name": "readings.csv",
    "size": 16,
    "content_type": "text/csv",
    "created_at": "2026-01-31T09:30:00.123Z",
    "created_by": "usr_8Yt3NcVq0PdR5hGe",
    "links": {"self": f"/api/v1/files/{_FILE_ID}", "content": f"/api/v1/files/{_FILE_ID}/content"},
}
_ME = {
    "key": {
        "id": "key_4mXc7RtB9wLs2KfP",
        "name": "Production server",
        "standing": "active",
        "expires_at": "2027-02-26T09:30:00Z",
    },
    "project": {"id": "prj_6kDv1HnZ8sQy3TgM", "name": "Acme Weather API"},
    "user": {"id": "usr_8Yt3NcVq0PdR5hGe", "email": "ada@example.com"},
}
_THANKS = {"message": MESSAGE}
_REPORT = json.dumps({"secret": "lk_…", "source": "https://example.com/leaked"}, ensure_ascii=False)
_MATCHES = json.dumps([{"token": "lk_…", "url": "https://example.com/leaked"}], ensure_ascii=False)


class Example(NamedTuple):
    """How a call is made with curl, by the arguments after the address, and what comes back."""

    path: str
    arguments: tuple[str, ...]
    status: str
    data: Any = None
    meta: dict[str, Any] = {}
    links: dict[str, Any] | None = None
    plain: str = ""
    has_key: bool = True


EXAMPLES = {
    "getMe": Example("/me", (), "200 OK", _ME),
    "listFiles": Example(
        "/files?page=1&limit=20",
        (),
        "200 OK",
        [_FILE],
        {"limit": 20, "total": 1, "page": 1, "pages": 1},
        {"self": "/api/v1/files?page=1&limit=20", "next": None, "prev": None},
    ),
    "uploadFile": Example(
        "/files", ("-F file=@readings.csv",), "201 Created", _FILE, links={"self": f"/api/v1/files/{_FILE_ID}"}
    ),
    "getFile": Example(f"/files/{_FILE_ID}", (), "200 OK", _FILE),
    "downloadFile": Example(f"/files/{_FILE_ID}/content", ("-OJ",), "200 OK", plain="The file's bytes."),
    "deleteFile": Example(f"/files/{_FILE_ID}", ("-X DELETE",), "204 No Content", plain="No body."),
    "verify": Example(
        "/verify",
        ("-i",),
        "204 No Content",
        plain="X-Latchkey-Key: key_4mXc7RtB9wLs2KfP\nX-Latchkey-Project: prj_6kDv1HnZ8sQy3TgM\n"
        "X-Latchkey-User: usr_8Yt3NcVq0PdR5hGe\nX-Latchkey-Scopes: *\n"
        "X-Latchkey-Expires: Fri, 26 Feb 2027 09:30:00 GMT",
    ),
    "reportLeak": Example("/report", ("--json " + shlex.quote(_REPORT),), "202 Accepted", _THANKS, has_key=False),
    "reportLeaksFromGithub": Example(
        "/report/github",
        (
            '-H "Github-Public-Key-Identifier: $IDENTIFIER"',
            '-H "Github-Public-Key-Signature: $SIGNATURE"',
            "--json " + shlex.quote(_MATCHES),
        ),
        "202 Accepted",
        _THANKS,
        has_key=False,
    ),
}
ERROR = {
    "meta": {"request_id": "req_5VbN8mKx2JtR7wQz", "project_id": None, "type": "error"},
    "data": None,
    "error": {"code": KEY_PAUSED.code, "message": KEY_PAUSED.message},
    "links": {},
}


def request_of(example: Example, url: str) -> str:
    """A command that can be pasted: each argument on a line of its own."""
    address = url + example.path
    words = [f"curl {shlex.quote(address) if '?' in address else address}"]
    words += [f'-H "Authorization: Bearer ${settings.BRAND.key_variable}"'] if example.has_key else []
    return " \\\n  ".join([*words, *example.arguments])


def response_of(example: Example) -> str:
    """The body, or what stands for it where there is none."""
    if example.plain:
        return example.plain
    kind = "list" if isinstance(example.data, list) else "object"
    meta = {"request_id": "req_5VbN8mKx2JtR7wQz", "project_id": None, "type": kind, **example.meta}
    if example.has_key:
        meta["project_id"] = "prj_6kDv1HnZ8sQy3TgM"
    links = {"self": f"/api/v1{example.path}"} if example.links is None else example.links
    return _as_json({"meta": meta, "data": example.data, "error": None, "links": links})


def _as_json(thing: Any) -> str:
    return json.dumps(thing, indent=2, ensure_ascii=False)


def highlighted(code: str, language: str) -> SafeString:
    html = highlight(code, get_lexer_by_name(language), HtmlFormatter(nowrap=True))
    return mark_safe(html.rstrip("\n"))  # noqa: S308  Pygments escapes the code


def _example(call: str, url: str) -> dict[str, Any]:
    """What the page shows of a call's example; nothing for a call that has none yet."""
    example = EXAMPLES.get(call)
    if example is None:
        return {}
    response = response_of(example)
    return {
        "request": highlighted(request_of(example, url), "bash"),
        "status": example.status,
        "response": response if example.plain else highlighted(response, "json"),
    }


def _bodies(operation: dict[str, Any], document: dict[str, Any]) -> list[dict[str, Any]]:
    """The bodies that the document describes for an operation: media type, whether it is a list, and its fields."""
    bodies = []
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(media.get("schema", {}), document)
        is_list = schema.get("type") == "array"
        if is_list:
            schema = _resolved(schema.get("items", {}), document)
        required = schema.get("required", [])
        fields = [
            f"`{name}`" if name in required else f"`{name}` (may be left out)" for name in schema.get("properties", {})
        ]
        bodies.append({"media_type": media_type, "is_list": is_list, "fields": ", ".join(fields)})
    return bodies


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    found: dict[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def _sorted_answers(operation: dict[str, Any]) -> dict[str, Any]:
    """An operation's answers: those with words of their own, and the statuses that the table of errors explains."""
    answers = {str(status): answer["description"] for status, answer in operation["responses"].items()}
    # What config/api.py makes of the table begins with a code.
    shared = [status for status, words in answers.items() if words.startswith("`") and int(status) >= 400]
    return {"own": {status: words for status, words in answers.items() if status not in shared}, "shared": shared}


class ReferencePage(DocsBase):
    """Swagger UI weighs 1.4 MB and fails the accessibility checks (docs/decisions/0003-own-api-reference.md)."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **parameters: Any) -> HttpResponse:
        document = api.get_openapi_schema()
        url = api_url(request)
        operations = [
            {
                "method": method.upper(),
                "path": path,
                "bodies": _bodies(operation, document),
                "answers": _sorted_answers(operation),
                "example": _example(operation["operationId"], url),
                **operation,
            }
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]
        files = settings.BRAND.shows_files
        context = {
            "operations": operations,
            "api_url": url,
            "refusals": [x.worded(shows_files=files) for x in ALL if files or x not in OF_FILES],
            "error_example": highlighted(_as_json(ERROR), "json"),
        }
        return render(request, "api/docs.html", context)
