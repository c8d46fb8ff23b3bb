"""Requests to the JSON API with a key, and the shape of its successes; `api_helpers` has the shape of its errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from apikeys.keys.services import create_key
from apikeys.models import ApiKey
from projects.models import File, Project
from tests.support.factories import FileFactory

API = "/api/v1"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def new_secret(project: Project, name: str = "Program") -> str:
    return create_key(project=project, name=name, by=project.created_by).secret


def new_file(**fields: Any) -> File:
    file: File = FileFactory(**fields)
    return file


def files_of(project: Project, count: int) -> list[File]:
    """The project's files, the oldest first, created a minute apart."""
    start = timezone.now() - timedelta(days=1)
    return [new_file(project=project, created_at=start + timedelta(minutes=n)) for n in range(count)]


def secret_of(key: ApiKey) -> str:
    secret: str = key.secret  # type: ignore[attr-defined]  # set by the fixture
    return secret


def call_with(client: Client, key: ApiKey, method: str, path: str, **options: Any) -> Any:
    return client.generic(method, path, headers=bearer(secret_of(key)), **options)


def upload(client: Client, secret: str, content: bytes = b"hello", name: str = "a.txt") -> Any:
    file = SimpleUploadedFile(name, content, content_type="text/html")
    return client.post(f"{API}/files", {"file": file}, headers=bearer(secret))


def multipart(body: bytes, boundary: str = "x") -> dict[str, Any]:
    """The arguments of `client.post` for a hand-written body."""
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


def one_part(name: bytes, content: bytes = b"hello") -> bytes:
    """A body whose file name is exactly these bytes."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
    return head + content + b"\r\n--x--\r\n"


def assert_envelope(response: Any, kind: str) -> dict[str, Any]:
    """Checks the shape of a success of this kind, and returns its JSON."""
    assert response["Content-Type"].startswith("application/json")
    body: dict[str, Any] = response.json()
    assert set(body) == {"meta", "data", "error", "links"}
    assert (body["meta"]["type"], body["error"]) == (kind, None)
    assert body["meta"]["request_id"] == response["X-Request-Id"]
    assert not [header for header in response.headers if header.lower().startswith("access-control-")]
    return body


@contextmanager
def downloaded(response: Any) -> Iterator[Any]:
    """`response` with its file closed. The test client closes a file only after reading it to the end."""
    yield response
    b"".join(response)
