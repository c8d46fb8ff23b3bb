"""Files: what hostile uploads become, how downloads are kept harmless, and that size and quota hold."""

import re
import socket
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from projects import files
from projects.models import File, Project
from projects.services import delete_project
from tests.api_client import bearer, downloaded, new_file, secret_of
from tests.api_helpers import assert_error, get_request, send_raw
from tests.factories import ProjectFactory
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db

FILES = "/api/v1/files"
NEVER = "file_0000000000000000"
FORM = "multipart/form-data; boundary=limit"


@pytest.fixture(autouse=True)
def store(settings, tmp_path) -> Path:
    """Where the test's files lie."""
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def blobs(store: Path) -> list[bytes]:
    return [path.read_bytes() for path in store.rglob("*") if path.is_file()]


@pytest.fixture
def authorization(api_key) -> dict[str, str]:
    return bearer(secret_of(api_key))


def form(*, filename: str | bytes = "a.csv", content: bytes = b"1,2\n", content_type: str = "text/csv") -> bytes:
    """A multipart body as a hostile program may write it: nothing is escaped."""
    name = filename.encode() if isinstance(filename, str) else filename
    head = b'--limit\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n'
    return head + f"Content-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n--limit--\r\n"


def field(name: str, value: str = "x") -> bytes:
    return f'--limit\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


@pytest.fixture
def upload(authorization):
    """Posts a multipart body: `upload(form(filename="x"))`."""

    def post(body: bytes, content_type: str = FORM, **options: Any) -> Any:
        return Client().post(FILES, body, content_type=content_type, headers=authorization, **options)

    return post


def assert_nothing_stored(store: Path) -> None:
    assert not File.objects.exists()
    assert blobs(store) == []


# Round trip


def test_a_file_comes_back_as_it_was_sent(client, upload, authorization, store, project, owner):
    content = bytes(range(256)) * 10
    response = upload(form(filename="Wetter 2024 ☀.csv", content=content))
    assert response.status_code == 201
    made = response.json()["data"]
    address = f"{FILES}/{made['id']}"
    assert response["Location"] == address == made["links"]["self"] == response.json()["links"]["self"]
    assert made["links"]["content"] == f"{address}/content"
    assert (made["name"], made["size"], made["content_type"]) == ("Wetter 2024 ☀.csv", 2560, "text/csv")
    assert made["created_by"] == owner.public_id
    assert set(made) == {"id", "name", "size", "content_type", "created_at", "created_by", "links"}

    assert client.get(address, headers=authorization).json()["data"] == made
    assert client.get(FILES, headers=authorization).json()["data"] == [made]
    with downloaded(client.get(f"{address}/content", headers=authorization)) as download:
        assert download.getvalue() == content
        assert download["Content-Length"] == "2560"
    assert File.objects.get().project == project


def test_a_file_larger_than_memory_comes_back_and_only_the_server_may_read_it(client, upload, authorization, store):
    content = bytes(range(250)) * 12_000  # more than Django keeps in memory
    made = upload(form(content=content)).json()["data"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", made["created_at"])
    with downloaded(client.get(made["links"]["content"], headers=authorization)) as download:
        assert download.getvalue() == content
    assert [path.stat().st_mode & 0o777 for path in store.rglob("*") if path.is_file()] == [0o600]


def test_an_upload_needs_no_csrf_token(authorization):
    """A key is sent on purpose, unlike a cookie."""
    client = Client(enforce_csrf_checks=True)
    assert client.post(FILES, form(), content_type=FORM, headers=authorization).status_code == 201


def test_an_empty_file_is_a_file(client, upload, authorization):
    made = upload(form(content=b"")).json()["data"]
    assert made["size"] == 0
    with downloaded(client.get(made["links"]["content"], headers=authorization)) as download:
        assert download.getvalue() == b""


def test_delete_removes_row_and_bytes(transactional_db, client, upload, authorization, store):
    address = upload(form()).json()["data"]["links"]["self"]
    assert blobs(store) == [b"1,2\n"]
    response = client.delete(address, headers=authorization)
    assert (response.status_code, response.content) == (204, b"")
    assert_nothing_stored(store)
    for path in (address, f"{address}/content"):
        assert_error(client.get(path, headers=authorization), 404, "not_found")
    assert_error(client.delete(address, headers=authorization), 404, "not_found")


def test_bytes_stay_until_the_deletion_is_certain(
    client, authorization, project, store, django_capture_on_commit_callbacks
):
    file = new_file(project=project)
    with django_capture_on_commit_callbacks() as waiting:
        client.delete(f"{FILES}/{file.public_id}", headers=authorization)
    assert (len(waiting), len(blobs(store))) == (1, 1)


def test_a_file_whose_bytes_are_gone_is_not_found(client, authorization, project):
    file = new_file(project=project)
    file.blob.storage.delete(file.blob.name)
    assert_error(client.get(f"{FILES}/{file.public_id}/content", headers=authorization), 404, "not_found")


# Names

BIDI = "invoice\u202efdp.exe"
NAMES = {
    "parents": ("../../../../etc/passwd", "passwd"),
    "absolute": ("/etc/passwd", "passwd"),
    "Windows": ("C:\\Windows\\win.ini", "win.ini"),
    "both separators": ("..\\../a\\b/c.txt", "c.txt"),
    "bidi": (BIDI, "invoicefdp.exe"),
    "zero-width": ("a\u200bb\ufeff\u2060.csv", "ab.csv"),
    "escaped quotes": ('a\\"b\\".csv', None),
    "apostrophe": ("it's.csv", "it's.csv"),
    "markup": ("<script>alert(1)<", "<script>alert(1)<"),
    "entities": ("&#x202e;&lt;b&gt;.csv", "<b>.csv"),
    "control characters": ("a\x01\x1b[31mb\x7f.csv", "a[31mb.csv"),
    "white space": ("  a \t  b .csv ", "a b .csv"),
    "decomposed": ("Zu\u0308rich.csv", "Zürich.csv"),
    "percent-encoded": ("%2e%2e%2fx.csv", "%2e%2e%2fx.csv"),
    "semicolon": ("a;b=c.csv", "a;b=c.csv"),
    "dots and spaces": (". . .", "file"),
    "device": ("NUL", "NUL"),
    "hidden file": (".env", ".env"),
    "300 characters": ("n" * 300 + ".csv", "n" * 251 + ".csv"),
    "300 in the extension": ("a." + "e" * 300, None),
}


@pytest.mark.parametrize(("sent", "kept"), NAMES.values(), ids=NAMES.keys())
def test_a_name_loses_path_and_hidden_characters(upload, store, project, sent, kept):
    """T28"""
    response = upload(form(filename=sent))
    assert response.status_code == 201
    name = response.json()["data"]["name"]
    assert kept is None or name == kept
    assert 1 <= len(name) <= 255
    assert not set(name) & set("/\\\r\n\x00")
    assert not [character for character in name if unicodedata.category(character) in {"Cc", "Cf"}]
    # Nothing of it reaches the file system.
    [path] = [path for path in store.rglob("*") if path.is_file()]
    assert path.parent == store / project.public_id
    assert len(path.name) == 32
    assert set(path.name) <= set("0123456789abcdef")


# Names that Django's parser would not let through as they are; the rule does not lean on it.
@pytest.mark.nodb
@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("/a/b/", "file"),
        ("", "file"),
        (".", "file"),
        ("..", "file"),
        ("...", "file"),
        (" ", "file"),
        ("\x00", "file"),
        ("\u202e\u200b", "file"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a\x00b.txt", "ab.txt"),
        ("a\r\nSet-Cookie: x.txt", "a Set-Cookie: x.txt"),
        ('"; filename="b.html', '"; filename="b.html'),
        ("n" * 10_000, "n" * 255),
        ("a." + "b" * 300, "a." + "b" * 253),
    ],
)
def test_a_name_is_the_last_visible_part(sent, kept):
    """T28"""
    assert files.clean_file_name(sent) == kept


@pytest.mark.nodb
@given(st.text(max_size=600))
def test_no_name_has_a_path_or_hidden_characters(sent):
    """T28"""
    name = files.clean_file_name(sent)
    assert 1 <= len(name) <= 255
    assert name not in {".", ".."}
    assert not re.search(r"[/\\\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", name)


# Django's parser, RFC 7578's, makes these no file or no form.
REFUSED_NAMES = {
    "empty": (b"", 422),
    "dot": (b".", 422),
    "dots": (b"..", 422),
    "only a path": (b"../../", 422),
    "10,000 characters": (b"n" * 10_000, 400),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED_NAMES.values(), ids=REFUSED_NAMES.keys())
def test_what_is_no_name_is_refused(upload, store, sent, status):
    """T28"""
    assert_error(upload(form(filename=sent)), status, {400: "bad_request", 422: "invalid"}[status])
    assert_nothing_stored(store)


STRANGE_NAMES = [b"a\x00b.csv", b"a\nb.csv", b"a\r\nb.csv", b"a\r\nContent-Type: text/html\r\n\r\nx", b'a"b.csv']
STRANGE_NAMES += [
    b"&#x2f;etc&#x2f;x",
    b"\xff\xfe.csv",
    b"\xed\xa0\x80.csv",
    b"%00.csv",
    b"&#0;.csv",
    b"&#xd800;.csv",
    b'x"; name="y',
]


@pytest.mark.parametrize("sent", STRANGE_NAMES, ids=repr)
def test_a_name_that_breaks_out_of_its_header_is_cleaned_or_refused(client, upload, authorization, store, sent):
    """T25, T28"""
    response = upload(form(filename=sent))
    if response.status_code != 201:
        assert response.status_code in {400, 422}
        assert_error(response, response.status_code, response.json()["error"]["code"])
        assert_nothing_stored(store)
        return
    made = response.json()["data"]
    assert not [character for character in made["name"] if unicodedata.category(character) in {"Cc", "Cf", "Cs"}]
    with downloaded(client.get(made["links"]["content"], headers=authorization)) as download:
        assert_harmless(download)


# Downloads


def assert_harmless(download: Any) -> None:
    assert download.status_code == 200
    assert download["Content-Type"] == "application/octet-stream"
    assert download["Content-Disposition"].startswith("attachment; filename")
    assert not set(download["Content-Disposition"]) & set("\r\n\x00")
    assert download["X-Content-Type-Options"] == "nosniff"
    assert download["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "no-store" in download["Cache-Control"]


ACTIVE = {
    "page.html": "text/html",
    "picture.svg": "image/svg+xml",
    "page.xhtml": "application/xhtml+xml",
    "script.js": "text/javascript",
    "feed.xml": "text/xml; charset=utf-8",
    "book.pdf": "application/pdf",
    "none": "",
    "nonsense": "no type",
    "injection": "text/html\tX: y",
    "long": "a/" + "b" * 500,
}


@pytest.mark.parametrize(("name", "content_type"), ACTIVE.items())
def test_a_download_is_never_shown_whatever_the_file_claims_to_be(client, upload, authorization, name, content_type):
    """T28"""
    content = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>"
    made = upload(form(filename=name, content=content, content_type=content_type)).json()["data"]
    assert len(made["content_type"]) <= 100
    with downloaded(client.get(made["links"]["content"], headers=authorization)) as download:
        assert_harmless(download)
        assert download.getvalue() == content


@pytest.mark.parametrize("name", [sent for sent, _ in NAMES.values()], ids=NAMES.keys())
def test_no_name_breaks_out_of_the_downloads_header(client, upload, authorization, name):
    """T28"""
    address = upload(form(filename=name)).json()["data"]["links"]["content"]
    with downloaded(client.get(address, headers=authorization)) as download:
        assert_harmless(download)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("Füße 漢.txt", "attachment; filename*=utf-8''F%C3%BC%C3%9Fe%20%E6%BC%A2.txt"),
        ('a"b.txt', r'attachment; filename="a\"b.txt"'),
        ("a;b.txt", 'attachment; filename="a;b.txt"'),
    ],
)
def test_a_names_special_characters_stay_within_the_header(client, authorization, project, name, header):
    """RFC 6266, RFC 5987"""
    file = new_file(project=project, name=name)
    with downloaded(client.get(f"{FILES}/{file.public_id}/content", headers=authorization)) as download:
        assert download["Content-Disposition"] == header


@pytest.mark.parametrize(
    ("method", "rest"), [("GET", ""), ("GET", "/content"), ("DELETE", ""), ("HEAD", "/content"), ("PUT", "")]
)
def test_another_projects_file_answers_like_one_that_never_existed(client, authorization, outsider, method, rest):
    """T16, T28, P3"""
    foreign = new_file(project=outsider.projects.get())

    def answer(file_id: str) -> tuple[Any, ...]:
        response = client.generic(method, f"{FILES}/{file_id}{rest}", headers=authorization)
        content = response.content.replace(response["X-Request-Id"].encode(), b"")
        headers = {name: value for name, value in response.items() if name not in {"X-Request-Id", "Expires"}}
        return response.status_code, content, headers

    assert answer(foreign.public_id) == answer(NEVER)
    assert File.objects.filter(pk=foreign.pk).exists()


def test_a_deleted_projects_files_are_out_of_reach(client, authorization, project, owner):
    file = new_file(project=project)
    delete_project(project=project, by=owner)
    for rest in ("", "/content"):
        assert_error(client.get(f"{FILES}/{file.public_id}{rest}", headers=authorization), 401, "key_deleted")


# Size and quota


def test_a_file_of_exactly_the_limit_is_stored_and_one_byte_more_is_not(upload, store, settings):
    """T28"""
    settings.MAX_FILE_SIZE = 1000
    assert "1000" in assert_error(upload(form(content=b"x" * 1001)), 413, "file_too_large")
    assert_nothing_stored(store)
    assert upload(form(content=b"x" * 1000)).status_code == 201


class Unread:
    """A body that must not be asked for."""

    def read(self, *args: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = read


@pytest.mark.parametrize("length", ["26279937", "9" * 18, "9" * 30, "9" * 5000])
def test_a_body_that_claims_too_much_is_refused_unread(client, authorization, store, length):
    """T28; 25 MiB and 64 KiB for the form around it"""
    body = {"wsgi.input": Unread(), "CONTENT_LENGTH": length, "CONTENT_TYPE": FORM}
    assert_error(client.generic("POST", FILES, headers=authorization, **body), 413, "file_too_large")
    assert_nothing_stored(store)


def test_a_refused_key_has_no_body_read(client):
    body = {"wsgi.input": Unread(), "CONTENT_LENGTH": "1000", "CONTENT_TYPE": FORM}
    assert_error(client.generic("POST", FILES, **body), 401, "key_missing")


def test_the_real_server_refuses_a_huge_upload_before_it_comes(server, api_key):
    """T28"""
    head = f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api_key.secret}\r\n"
    fields = f"Content-Type: {FORM}\r\nContent-Length: 1000000000000\r\nConnection: close\r\n\r\n"
    assert_error(send_raw(server, (head + fields).encode()), 413, "file_too_large")


@pytest.mark.parametrize("length", ["", "-1", "+5", "1e3", "0x10", " ", "²"])
def test_a_body_without_a_length_is_refused(client, authorization, length):
    body = {"CONTENT_LENGTH": length, "CONTENT_TYPE": FORM}
    assert_error(client.generic("POST", FILES, headers=authorization, **body), 411, "length_required")


def test_a_full_project_takes_no_more_until_something_is_deleted(client, upload, authorization, store, settings):
    """T28"""
    settings.PROJECT_QUOTA = 10
    first = upload(form(content=b"123456")).json()["data"]
    assert "Delete" in assert_error(upload(form(content=b"12345")), 413, "quota_exceeded")
    assert blobs(store) == [b"123456"]
    assert upload(form(content=b"1234")).status_code == 201
    assert client.delete(first["links"]["self"], headers=authorization).status_code == 204
    assert upload(form(content=b"123456")).status_code == 201


def test_each_project_has_a_quota_of_its_own(upload, settings):
    settings.PROJECT_QUOTA = 20
    new_file(project=ProjectFactory(), content=b"x" * 20)
    assert upload(form(content=b"x" * 20)).status_code == 201


def test_ten_uploads_at_once_stay_within_the_quota(transactional_db, upload, store, settings):
    """T28"""
    settings.PROJECT_QUOTA = 50
    answers = in_parallel([lambda: upload(form(content=b"0123456789")) for _ in range(10)])
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [413] * 5
    for answer in answers:
        if answer.status_code == 413:
            assert_error(answer, 413, "quota_exceeded")
    assert sorted(File.objects.values_list("size", flat=True)) == [10] * 5
    assert blobs(store) == [b"0123456789"] * 5


# Nothing half-written


def test_a_row_that_cannot_be_written_leaves_no_bytes(upload, store):
    """T28"""

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(f'INSERT INTO "{File._meta.db_table}"'):
            assert blobs(store) == [b"1,2\n"], "the bytes come first"
            raise OperationalError("the disk is full")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        assert_error(upload(form()), 503, "unavailable")
    assert_nothing_stored(store)


def test_an_upload_to_a_project_that_is_deleted_meanwhile_leaves_nothing(upload, store, project, owner):
    def delete_first(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if f'FROM "{Project._meta.db_table}"' in sql and blobs(store):
            Project.objects.filter(pk=project.pk).update(deleted_at=project.created_at)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(delete_first):
        assert_error(upload(form()), 404, "not_found")
    assert_nothing_stored(store)


def test_a_disk_that_cannot_be_written_leaves_no_row(authorization, store, settings):
    settings.MEDIA_ROOT = store / "file"
    (store / "file").write_bytes(b"in the way")
    client = Client(raise_request_exception=False)
    response = client.post(FILES, form(), content_type=FORM, headers=authorization)
    assert_error(response, 500, "internal_error")
    assert not File.objects.exists()


def test_deleting_twice_at_once_succeeds_once(transactional_db, authorization, project, store):
    file = new_file(project=project)
    address = f"{FILES}/{file.public_id}"
    answers = in_parallel([lambda: Client().delete(address, headers=authorization) for _ in range(5)])
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404, 404]
    assert_nothing_stored(store)


# Bodies that are no form with one file

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
    """T25; the client promises more than it sends, and hangs up"""
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
    fields = b"".join(field(f"f{number}") for number in range(101))
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


@pytest.mark.nodb
@pytest.mark.parametrize("claim", ["text/csv\r\nX: y", "text/csv\x00", "a" * 200, "text", "/", "a/b/c", None, "é/é"])
def test_a_content_type_of_the_wrong_shape_is_unknown(claim):
    assert files.clean_content_type(claim) == files.UNKNOWN_TYPE


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("claim", "kept"),
    [("text/csv", "text/csv"), ("TEXT/HTML", "text/html"), ("image/svg+xml", "image/svg+xml")],
)
def test_a_content_type_of_the_right_shape_is_kept(claim, kept):
    assert files.clean_content_type(claim) == kept
