"""Uploads that a hostile program may send, and the files that are stored after them."""

from pathlib import Path
from typing import Any

from django.test import Client

from projects.models import File

FILES = "/api/v1/files"
NEVER = "file_0000000000000000"
FORM = "multipart/form-data; boundary=limit"


def blobs(store: Path) -> list[bytes]:
    return [path.read_bytes() for path in store.rglob("*") if path.is_file()]


def form(*, filename: str | bytes = "a.csv", content: bytes = b"1,2\n", content_type: str = "text/csv") -> bytes:
    """A multipart body that a hostile program may send: nothing is escaped."""
    name = filename.encode() if isinstance(filename, str) else filename
    head = b'--limit\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n'
    return head + f"Content-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n--limit--\r\n"


def field(name: str, value: str = "x") -> bytes:
    return f'--limit\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def post(authorization: dict[str, str], body: bytes, content_type: str = FORM, **options: Any) -> Any:
    return Client().post(FILES, body, content_type=content_type, headers=authorization, **options)


def assert_nothing_stored(store: Path) -> None:
    assert not File.objects.exists()
    assert blobs(store) == []
