"""No page accepts a file. A body longer than a form is rejected before any of it is read or written to disk."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from tests.support.calls.api_helpers import send_raw
from tests.support.calls.uploads import FORM, form
from tests.support.places.routes import all_routes
from tests.support.programs.servers import session_headers

pytestmark = pytest.mark.nodb

MOST = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
TYPES = [FORM, "application/x-www-form-urlencoded", "application/json", ""]


def post_long(path: str, length: str, content_type: str = FORM, client: Client | None = None) -> Any:
    """Announces a length and sends nothing, because the announced length decides."""
    client = client or Client(enforce_csrf_checks=True)
    return client.generic("POST", path, CONTENT_LENGTH=length, CONTENT_TYPE=content_type)


def assert_too_large(answer: Any, status: int = 413) -> None:
    assert answer.status_code == status
    heading = "The length is missing" if status == 411 else "Too large"
    assert f"<h1>{heading}</h1>" in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]


def uploads() -> set[Path]:
    """The temporary uploads of servers and of tests."""
    return set(settings.FILE_UPLOAD_TEMP_DIR.iterdir())


@pytest.mark.parametrize("content_type", TYPES)
def test_no_address_of_a_page_reads_more_than_a_form(content_type, db):
    """T28"""
    paths = {route.path() for route in all_routes() if not (route.is_api or route.pattern.startswith("health"))}
    assert len(paths) > 50
    for path in (*paths, "/nowhere", "/api", "/apix/v1/files"):
        assert_too_large(post_long(path, str(MOST + 1), content_type))


@pytest.mark.parametrize("length", ["9" * 18, "9" * 30, "9" * 5000, "-1", "+300000", "300_000", "1e9", "²", "300000 "])
def test_a_length_that_is_none_or_beyond_all_measure_is_refused(length, db):
    """T28"""
    assert_too_large(post_long("/accounts/login/", length))


def test_a_signed_in_person_has_the_same_limit(signed_in, owner, admin, project):
    """T28"""
    assert_too_large(post_long("/projects/new/", str(MOST + 1), client=signed_in(owner)))
    assert_too_large(post_long(f"/projects/{project.public_id}/keys/new/", str(MOST + 1), client=signed_in(owner)))
    assert_too_large(post_long("/admin/accounts/user/add/", str(MOST + 1), client=signed_in(admin)))


def test_a_form_of_exactly_the_limit_is_read(client, db):
    path, head = "/accounts/login/", b"login=nobody&x="
    sent = {"content_type": "application/x-www-form-urlencoded"}
    assert client.post(path, head + b"x" * (MOST - len(head)), **sent).status_code == 200
    assert_too_large(client.post(path, head + b"x" * (MOST + 1 - len(head)), **sent))


def test_files_that_fit_a_form_are_never_on_the_disk(client, db, settings, tmp_path):
    """T28: one file is ignored, more are rejected; a short one stays in memory."""
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "none"
    end = b"--limit--\r\n"
    one = form(content=b"x" * (MOST - 1000))
    assert client.post("/accounts/login/", one, content_type=FORM).status_code == 200
    for number in (2, 2_000):
        files = form(content=b"").removesuffix(end) * number + end
        assert len(files) < MOST
        answer = client.post("/accounts/login/", files, content_type=FORM)
        assert answer.status_code == 400
        assert "<h1>" in answer.content.decode(), "the page is our own"


# The real server


def head(path: str, *lines: str) -> bytes:
    fields = "".join(f"{line}\r\n" for line in lines)
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n{fields}\r\n".encode()


# The beginning of a file of five million bytes. The rest is never sent, so a server that waits for it does not answer.
BEGUN = form(content=b"x" * 5_000_000).removesuffix(b"\r\n--limit--\r\n")


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/", "/admin/login/", "/help/", "/nowhere"])
def test_the_real_server_takes_no_file_from_a_stranger(path, server):
    """T28"""
    before = uploads()
    cookie = f"Cookie: csrftoken={'t' * 32}"
    assert_too_large(send_raw(server, head(path, cookie, "Content-Length: 80000000"), BEGUN))
    assert uploads() == before


def test_the_real_server_takes_no_file_from_htmx(server, signed_in, owner, project):
    """T28"""
    before = uploads()
    lines = [f"{name}: {value}" for name, value in session_headers(signed_in(owner)).items()]
    sent = head(f"/projects/{project.public_id}/keys/new/", "HX-Request: true", "Content-Length: 80000000", *lines)
    assert_too_large(send_raw(server, sent, BEGUN))
    assert uploads() == before


@pytest.mark.parametrize("length", [(), ("Content-Length: 100",), ("Content-Length: 80000000",)])
def test_the_real_server_takes_no_body_without_a_length(length, server):
    """T28: with both headers, the length does not count (RFC 9112, 6.3)."""
    before = uploads()
    sent = head("/accounts/login/", *length, "Transfer-Encoding: chunked")
    chunk = f"{len(BEGUN):x}\r\n".encode() + BEGUN + b"\r\n"
    assert_too_large(send_raw(server, sent, chunk), 411)
    assert uploads() == before


LIES = ["+80000000", "8_0000000", "-1", "80000000, 80000000", "100\r\nContent-Length: 80000000", "9" * 5000, ""]


@pytest.mark.parametrize("length", LIES)
def test_the_real_server_believes_no_length_that_is_none(length, server):
    """T28"""
    before = uploads()
    assert send_raw(server, head("/accounts/login/", f"Content-Length: {length}"), BEGUN).status_code in {400, 413}
    assert uploads() == before


def test_the_real_server_reads_no_more_than_was_announced(server):
    """T28: the bytes after the announced length are the next request, and they are not HTTP."""
    before = uploads()
    sent = head("/accounts/login/", "Connection: close", "Content-Length: 100")
    assert send_raw(server, sent, BEGUN).status_code == 403
    assert uploads() == before
