"""Bodies that are not a form with one file are rejected, and nothing of them is stored."""

import socket
from pathlib import Path

import pytest

from projects.models import File
from tests.support.calls.api_helpers import assert_error, get_request, send_raw
from tests.support.calls.uploads import FILES, FORM, NEVER, assert_nothing_stored, field, form

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def store(settings, tmp_path) -> Path:
    """The folder of the test's files."""
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


TYPES = [
    "application/json",
    "text/csv",
    "application/x-www-form-urlencoded",
    "",
    "multipart/mixed; boundary=limit",
    "x",
]


@pytest.mark.parametrize("content_type", TYPES)
def test_a_body_of_another_type_is_refused(upload, store, content_type):
    assert "multipart/form-data" in assert_error(upload(form(), content_type), 415, "unsupported_media_type")
    assert_nothing_stored(store)


MALFORMED = {
    "no boundary": ("multipart/form-data", form()),
    "an empty boundary": ("multipart/form-data; boundary=", form()),
    "a boundary of 300": ("multipart/form-data; boundary=" + "b" * 300, form()),
    "a boundary that is no text": ("multipart/form-data; boundary=\xff", form()),
}


@pytest.mark.parametrize(("content_type", "body"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_form_that_cannot_be_read_is_refused(upload, store, content_type, body):
    """T25"""
    assert_error(upload(body, content_type), 400, "bad_request")
    assert_nothing_stored(store)


WITHOUT_FILE = {
    "only the end": b"--limit--\r\n",
    "another boundary": form().replace(b"--limit", b"--other"),
    "no head": b"--limit\r\n\r\nx\r\n--limit--\r\n",
    "text in the field": field("file") + b"--limit--\r\n",
    "another field": form().replace(b'name="file"', b'name="upload"'),
    "no field name": form().replace(b'name="file"; ', b""),
    "bytes": b"\x00\xff garbage",
    "JSON": b'{"file": "x"}',
}


@pytest.mark.parametrize("body", WITHOUT_FILE.values(), ids=WITHOUT_FILE.keys())
def test_a_form_without_the_file_is_refused(upload, store, body):
    """T25"""
    assert "file: " in assert_error(upload(body), 422, "invalid")
    assert_nothing_stored(store)


def test_a_form_that_was_cut_off_is_refused(upload, store):
    """T25"""
    assert_error(upload(form(content=b"x" * 1000)[:500]), 422, "invalid")
    assert_nothing_stored(store)


def test_an_upload_that_breaks_off_is_never_a_file(server, api_key, store):
    """T25: the client announces more than it sends, and hangs up."""
    body = form(content=b"x" * 1000)
    head = f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api_key.secret}\r\n"
    fields = f"Content-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall((head + fields).encode() + body[:500])
    address = f"{FILES}?page=1"
    answer = send_raw(server, get_request(address, f"Bearer {api_key.secret}".encode()))
    assert answer.json()["data"] == []


def test_two_files_are_refused(upload, store):
    assert_error(upload(form()[: -len(b"--limit--\r\n")] + form()), 413, "request_too_large")
    assert_nothing_stored(store)


def test_too_many_fields_are_refused(upload, store):
    """T25"""
    fields = b"".join(field(f"f{number}") for number in range(1001))
    assert_error(upload(fields + form()), 413, "request_too_large")
    assert_nothing_stored(store)


def test_a_field_that_fills_the_memory_is_refused(upload, store):
    assert_error(upload(field("f", "x" * 300_000) + form()), 413, "request_too_large")
    assert_nothing_stored(store)


def test_fields_that_nobody_offered_are_ignored(upload, outsider, project, owner):
    """T17"""
    other = outsider.projects.get()
    names = {"project": other.public_id, "project_id": str(other.pk), "created_by": outsider.public_id, "id": NEVER}
    made = upload(b"".join(field(*pair) for pair in names.items()) + form()).json()["data"]
    file = File.objects.get()
    assert (file.project, file.created_by) == (project, owner)
    assert file.public_id == made["id"] != NEVER
