"""Every status in the OpenAPI document is a real answer in its documented shape."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.secrets import secret_format
from common.answers.schemas import ErrorAnswer
from projects.models import Project
from tests.support.calls.api_client import API, bearer, downloaded, multipart, new_file, one_part, secret_of
from tests.support.calls.api_helpers import assert_error, get_request, send_raw
from tests.support.calls.github import SIGNER
from tests.support.calls.openapi import document_of, operations
from tests.support.environment import ON_SQLITE

pytestmark = [pytest.mark.django_db, pytest.mark.nodb]

NEVER = "file_0000000000000000"


@pytest.fixture
def document(client) -> dict[str, Any]:
    return document_of(client)


ADDRESSES = {
    "getMe": ("GET", f"{API}/me"),
    "listFiles": ("GET", f"{API}/files"),
    "uploadFile": ("POST", f"{API}/files"),
    "getFile": ("GET", f"{API}/files/{NEVER}"),
    "deleteFile": ("DELETE", f"{API}/files/{NEVER}"),
    "downloadFile": ("GET", f"{API}/files/{NEVER}/content"),
    "verify": ("GET", f"{API}/verify"),
    "reportLeak": ("POST", f"{API}/report"),
    "reportLeaksFromGithub": ("POST", f"{API}/report/github"),
}

NEVER_MADE = secret_format.generate("lk_")
REPORTED = {
    "reportLeak": json.dumps({"secret": NEVER_MADE}).encode(),
    "reportLeaksFromGithub": json.dumps([{"token": NEVER_MADE}]).encode(),
}


class Stops:
    """The body of a client that goes away before it has sent all of it."""

    def read(self, size: int) -> bytes:
        return b""

    readline = read


class Provoker:
    """Causes each documented answer in a real call."""

    def __init__(self, api_key: Any, settings: Any) -> None:
        self.key, self.settings, self.authorization = api_key, settings, bearer(secret_of(api_key))
        settings.GITHUB_PUBLIC_KEYS = SIGNER.document()

    def send(self, call: str, **options: Any) -> Any:
        method, path = ADDRESSES[call]
        if call in {"getFile", "deleteFile", "downloadFile"} and options.pop("existing", False):
            path = path.replace(NEVER, new_file(project=self.key.project).public_id)
        if call == "uploadFile":
            options = {**multipart(one_part(b"a.csv")), **options}
        if call in REPORTED:
            body = options.setdefault("data", REPORTED[call])
            self.authorization = self.authorization and SIGNER.headers(body)
        options.pop("existing", None)
        client = Client(raise_request_exception=False)
        return client.generic(method, path, headers=self.authorization, **options)

    def good(self, call: str) -> Any:
        return self.send(call, existing=True)

    def bad_request(self, call: str) -> Any:
        if call in REPORTED:
            return self.send(call, data=b"{")
        if call == "uploadFile":
            return self.send(call, content_type="multipart/form-data")
        return self.send(call, QUERY_STRING="page=%00")

    def unauthorized(self, call: str) -> Any:
        self.authorization = {}
        return self.send(call)

    def forbidden(self, call: str) -> Any:
        if call in REPORTED:
            self.authorization = {}
            return self.send(call)
        self.key.responsible.is_active = False
        self.key.responsible.save()
        return self.send(call)

    def not_found(self, call: str) -> Any:
        self.settings.GITHUB_PUBLIC_KEYS = ""
        if call not in {"listFiles", "uploadFile"}:
            return self.send(call)

        def delete_after_the_check(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if sql.startswith(f'SELECT "{Project._meta.db_table}"'):
                Project.objects.filter(pk=self.key.project_id).update(deleted_at=self.key.created_at)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(delete_after_the_check):
            return self.send(call)

    def cut(self, call: str) -> Any:
        return self.send(call, **{"wsgi.input": Stops()})

    def length_required(self, call: str) -> Any:
        return self.send(call, CONTENT_LENGTH="")

    def too_large(self, call: str) -> Any:
        self.settings.MAX_FILE_SIZE = 1
        if call in REPORTED:
            return self.send(call, data=b" " * 300_000)
        return self.send(call)

    def unsupported(self, call: str) -> Any:
        return self.send(call, content_type="application/json")

    def invalid(self, call: str) -> Any:
        if call == "uploadFile":
            return self.send(call, **multipart(b"--x--\r\n"))
        if call in REPORTED:
            return self.send(call, data=b"17")
        return self.send(call, QUERY_STRING="page=0")

    def full(self, call: str) -> Any:
        self.settings.MAX_FILES_PER_PROJECT = 1
        self.send("uploadFile")
        return self.send(call)

    def too_many(self, call: str) -> Any:
        if call in REPORTED:
            self.settings.REPORTS_PER_MINUTE = 1
            self.send(call)
            return self.send(call)
        self.settings.FAILED_KEYS_PER_MINUTE = 1
        self.authorization = bearer("wrong")
        self.send(call)
        return self.send(call)

    def broken(self, call: str) -> Any:
        self.settings.KEY_PEPPERS = "no ring"
        return self.send(call)


PROVOKED: dict[str, tuple[Callable[[Provoker, str], Any], str]] = {
    "200": (Provoker.good, ""),
    "201": (Provoker.good, ""),
    "202": (Provoker.good, ""),
    "204": (Provoker.good, ""),
    "400": (Provoker.bad_request, "bad_request"),
    "401": (Provoker.unauthorized, "key_missing"),
    "403": (Provoker.forbidden, "forbidden"),
    "404": (Provoker.not_found, "not_found"),
    "408": (Provoker.cut, "request_timeout"),
    "409": (Provoker.full, "too_many_files"),
    "411": (Provoker.length_required, "length_required"),
    "413": (Provoker.too_large, "file_too_large"),
    "415": (Provoker.unsupported, "unsupported_media_type"),
    "422": (Provoker.invalid, "invalid"),
    "429": (Provoker.too_many, "too_many_failures"),
    "500": (Provoker.broken, "internal_error"),
}
OTHER_CODES = {
    (True, "403"): "signature_refused",
    (True, "413"): "request_too_large",
    (True, "429"): "too_many_reports",
}


def test_every_documented_status_is_a_real_answer_in_its_documented_shape(
    client, document, api_key, settings, tmp_path
):
    settings.MEDIA_ROOT = tmp_path
    peppers = settings.KEY_PEPPERS
    # Only the check of a limited key that ends soon has every documented header.
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(days=3), restrictions={"rate": [1000, "minute"]})
    for *_, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status == "503":
                continue  # tested below without a database
            call = operation["operationId"]
            provoke, code = PROVOKED[status]
            code = OTHER_CODES.get((call in REPORTED, status), code)
            settings.KEY_PEPPERS, settings.MAX_FILE_SIZE, settings.FAILED_KEYS_PER_MINUTE = peppers, 1000, 0
            settings.MAX_FILES_PER_PROJECT, settings.REPORTS_PER_MINUTE = 1000, 0
            Project.objects.update(deleted_at=None)
            api_key.responsible.is_active = True
            api_key.responsible.save()
            with downloaded(provoke(Provoker(api_key, settings), call)) as response:
                if code:
                    assert_error(response, int(status), code)
                    ErrorAnswer.model_validate(response.json())
                else:
                    assert_documented_success(response, int(status), answer, document)


def assert_documented_success(response: Any, status: int, answer: dict[str, Any], document: dict[str, Any]) -> None:
    assert response.status_code == status
    assert set(answer.get("headers", {})) <= set(response.headers)
    content = answer.get("content", {})
    if "application/json" in content:
        name = content["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
        shape = document["components"]["schemas"][name]
        assert set(response.json()) == set(shape["properties"]) == {"meta", "data", "error", "links"}
    elif content:
        assert [response["Content-Type"]] == list(content)
    else:
        assert response.content == b""


@pytest.mark.skipif(ON_SQLITE, reason="SQLite is a file, not a server that can be away")
def test_every_call_answers_503_while_the_database_is_away(without_database, document, api_key):
    """T35: one part of the promise."""
    for *_, operation in operations(document):
        assert "503" in operation["responses"]
        method, path = ADDRESSES[operation["operationId"]]
        request = get_request(path, f"Bearer {secret_of(api_key)}".encode()).replace(b"GET", method.encode(), 1)
        if body := REPORTED.get(operation["operationId"]):
            headers = {**SIGNER.headers(body), "Content-Length": str(len(body))}
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            request = request.removesuffix(b"\r\n") + lines.encode() + b"\r\n" + body
        assert_error(send_raw(without_database, request), 503, "unavailable")
