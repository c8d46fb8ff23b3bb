"""The built-in resource over HTTP: listing, storing, fetching and deleting a project's files."""

import re
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import Http404
from hypothesis import given
from hypothesis import strategies as st

from projects import files, services
from projects.models import File
from tests.api_client import API, assert_envelope, bearer, multipart, one_part, secret_of, upload
from tests.api_helpers import assert_error
from tests.factories import FileFactory, ProjectFactory

pytestmark = pytest.mark.django_db


def blobs(project) -> list[Path]:
    return sorted((Path(django_settings.MEDIA_ROOT) / project.public_id).glob("*"))


@pytest.fixture
def secret(api_key):
    return secret_of(api_key)


# Listing


def page(client, secret, **query):
    return client.get(f"{API}/files", query, headers=bearer(secret))


def test_files_come_newest_first_in_pages(client, secret, project):
    made = [FileFactory(project=project).public_id for _ in range(5)]
    first = assert_envelope(page(client, secret, limit=2), "list")
    assert [row["id"] for row in first["data"]] == made[:2:-1]
    assert {name: first["meta"][name] for name in ("limit", "total", "page", "pages")} == {
        "limit": 2,
        "total": 5,
        "page": 1,
        "pages": 3,
    }
    assert first["links"]["prev"] is None
    second = assert_envelope(client.get(first["links"]["next"], headers=bearer(secret)), "list")
    assert [row["id"] for row in second["data"]] == [made[2], made[1]]
    assert second["links"]["prev"] == first["links"]["self"]
    last = assert_envelope(client.get(second["links"]["next"], headers=bearer(secret)), "list")
    assert ([row["id"] for row in last["data"]], last["links"]["next"]) == (made[:1], None)


def test_a_page_holds_twenty_unless_asked_otherwise(client, secret, project):
    FileFactory.create_batch(21, project=project)
    assert len(page(client, secret).json()["data"]) == 20
    assert len(page(client, secret, limit=100).json()["data"]) == 21


@pytest.mark.parametrize("number", [2, 1_000_000_000])
def test_a_page_beyond_the_last_is_empty(client, secret, project, number):
    FileFactory(project=project)
    body = assert_envelope(page(client, secret, page=number), "list")
    assert (body["data"], body["meta"]["total"], body["meta"]["page"], body["meta"]["pages"]) == ([], 1, number, 1)
    assert body["links"]["prev"] == f"{API}/files?page=1&limit=20"


def test_a_project_without_files_has_one_empty_page(client, secret):
    body = assert_envelope(page(client, secret), "list")
    assert (body["data"], body["meta"]["total"], body["meta"]["pages"]) == ([], 0, 1)


@pytest.mark.parametrize("field", ["page", "limit"])
@pytest.mark.parametrize(
    "value",
    ["0", "-1", "abc", "", "1e999", "1.5", "9" * 22, "9" * 5000, "1000000001", "nan", "١", "\u200b1"],
)
def test_a_number_out_of_range_is_named(client, secret, field, value):
    """T25"""
    message = assert_error(page(client, secret, **{field: value}), 422, "invalid")
    assert message.startswith(f"{field}: ")
    assert len(message) < 200


@pytest.mark.parametrize("value", ["\x00", "1\x00"])
def test_a_nul_is_refused_as_everywhere(client, secret, value):
    """T25"""
    assert_error(page(client, secret, page=value), 400, "bad_request")


def test_a_page_may_hold_a_hundred_and_no_more(client, secret):
    assert page(client, secret, limit=100).status_code == 200
    assert_error(page(client, secret, limit=101), 422, "invalid")


def test_listing_costs_four_queries_however_many_files(client, secret, project, django_assert_num_queries):
    FileFactory.create_batch(30, project=project)
    with django_assert_num_queries(4):
        page(client, secret, limit=100)


# Storing


def test_a_stored_file_comes_back_byte_for_byte(client, secret, project, owner):
    content = bytes(range(250)) * 12_000  # more than Django keeps in memory
    response = upload(client, secret, content, "data.bin")
    body = assert_envelope(response, "object")
    assert response.status_code == 201
    file = body["data"]
    assert (file["name"], file["size"], file["content_type"]) == ("data.bin", 3_000_000, "text/html")
    assert file["created_by"] == owner.public_id
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", file["created_at"])
    assert response["Location"] == file["links"]["self"] == f"{API}/files/{file['id']}"
    assert client.get(response["Location"], headers=bearer(secret)).json()["data"] == file
    download = client.get(file["links"]["content"], headers=bearer(secret))
    assert b"".join(download) == content
    assert [blob.stat().st_mode & 0o777 for blob in blobs(project)] == [0o600]


def test_an_empty_file_is_a_file(client, secret):
    response = upload(client, secret, b"")
    assert (response.status_code, response.json()["data"]["size"]) == (201, 0)


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"data": {}}, 422, "invalid"),
        ({"data": {"file": "text, not a file"}}, 422, "invalid"),
        ({"data": {"file": ""}}, 422, "invalid"),
        ({"data": b"{}", "content_type": "application/json"}, 415, "unsupported_media_type"),
        ({"data": b"file=x", "content_type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        ({"data": b"x", "content_type": ""}, 415, "unsupported_media_type"),
        ({"data": b"x", "content_type": "multipart/form-data"}, 400, "bad_request"),
        ({"data": b"x", "content_type": "multipart/form-data; boundary=\xff"}, 400, "bad_request"),
        ({"data": b"\x00\xff garbage", "content_type": "multipart/form-data; boundary=x"}, 422, "invalid"),
        ({"data": {str(number): "x" for number in range(1001)}}, 413, "request_too_large"),
        ({"data": {"note": "x" * 2_700_000}}, 413, "request_too_large"),
    ],
)
def test_what_is_not_one_file_is_refused(client, secret, project, arguments, status, code):
    """T28"""
    assert_error(client.post(f"{API}/files", headers=bearer(secret), **arguments), status, code)
    assert (project.files.count(), blobs(project)) == (0, [])


def test_two_files_at_once_are_refused(client, secret, project):
    part = one_part(b"a.txt").removesuffix(b"--x--\r\n")
    response = client.post(f"{API}/files", **multipart(part + one_part(b"b.txt")), headers=bearer(secret))
    assert_error(response, 413, "request_too_large")
    assert project.files.count() == 0


def test_a_body_of_unknown_length_is_refused(client, secret):
    response = client.post(
        f"{API}/files",
        **multipart(one_part(b"a.txt")),
        headers=bearer(secret),
        CONTENT_LENGTH="",
    )
    assert_error(response, 411, "length_required")


@pytest.mark.parametrize("length", ["26300000", "9" * 30, "9" * 5000])
def test_too_large_a_body_is_refused_unread(client, secret, settings, length):
    """T28"""
    settings.MAX_FILE_SIZE = 1000
    response = client.post(
        f"{API}/files",
        **multipart(one_part(b"a.txt")),
        headers=bearer(secret),
        CONTENT_LENGTH=length,
    )
    assert_error(response, 413, "file_too_large")
    assert response.wsgi_request._read_started is False


def test_a_file_may_have_the_limit_and_not_a_byte_more(client, secret, project, settings):
    """T28"""
    settings.MAX_FILE_SIZE = 1000
    assert upload(client, secret, b"x" * 1000).status_code == 201
    assert_error(upload(client, secret, b"x" * 1001), 413, "file_too_large")
    assert (project.files.count(), len(blobs(project))) == (1, 1)


def test_a_projects_files_may_fill_the_quota_and_not_a_byte_more(client, secret, project, settings):
    """T28"""
    settings.PROJECT_QUOTA = 1000
    FileFactory(project=ProjectFactory(), content=b"x" * 5000)  # another project's do not count
    assert upload(client, secret, b"x" * 600).status_code == 201
    assert_error(upload(client, secret, b"x" * 401), 413, "quota_exceeded")
    assert upload(client, secret, b"x" * 400).status_code == 201
    assert (project.files.count(), len(blobs(project))) == (2, 2)


def test_an_upload_to_a_project_deleted_meanwhile_leaves_nothing(project, owner):
    services.delete_project(project=project, by=owner)
    with pytest.raises(Http404):
        files.add_file(project=project, upload=SimpleUploadedFile("a", b"x"), by=owner)
    assert (project.files.count(), blobs(project)) == (0, [])


# Names


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\Users\\me\\a.txt", "a.txt"),
        ("/a/b/", "file"),
        ("", "file"),
        (".", "file"),
        ("..", "file"),
        ("...", "file"),
        (" ", "file"),
        ("\x00", "file"),
        ("a\x00b.txt", "ab.txt"),
        ("a\r\nSet-Cookie: x.txt", "a Set-Cookie: x.txt"),
        ("invoice\u202etxt.exe", "invoicetxt.exe"),
        ("a\u200b\u2060\ufeff.txt", "a.txt"),
        ("\u202e\u200b", "file"),
        ("Füße 漢字.txt", "Füße 漢字.txt"),
        ("e\u0301.txt", "\u00e9.txt"),
        ('"; filename="b.html', '"; filename="b.html'),
        (".env", ".env"),
        ("a" * 300 + ".txt", "a" * 251 + ".txt"),
        ("a." + "b" * 300, "a." + "b" * 253),
    ],
)
def test_a_name_is_the_last_visible_part(sent, kept):
    """T28"""
    assert files.clean_file_name(sent) == kept


@given(st.text(max_size=600))
def test_no_name_has_a_path_or_hidden_characters(sent):
    """T28"""
    name = files.clean_file_name(sent)
    assert 1 <= len(name) <= 255
    assert not re.search(r"[/\\\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", name)
    assert name not in {".", ".."}


@pytest.mark.parametrize(
    "name",
    [
        b"../../../etc/passwd",
        b"..\\..\\x",
        b"%2e%2e%2fx",
        b"a\x00.txt",
        b"\xff\xfe",
        b"x" * 5000,
        b"&#x2f;etc&#x2f;x",
        b"CON",
    ],
)
def test_a_hostile_name_on_the_wire_reaches_neither_the_disk_nor_a_5xx(client, secret, project, name):
    """T28"""
    response = client.post(f"{API}/files", **multipart(one_part(name)), headers=bearer(secret))
    assert response.status_code in {201, 400, 422}
    for file in project.files.all():
        assert re.fullmatch(rf"{project.public_id}/[0-9a-f]{{32}}", file.blob.name)
        assert "/" not in file.name


@pytest.mark.parametrize(
    ("claim", "kept"),
    [
        ("text/csv", "text/csv"),
        ("TEXT/HTML", "text/html"),
        ("image/svg+xml", "image/svg+xml"),
        (None, files.UNKNOWN_TYPE),
        ("", files.UNKNOWN_TYPE),
        ("text", files.UNKNOWN_TYPE),
        ("text/html\r\nX: y", files.UNKNOWN_TYPE),
        ("text/" + "x" * 200, files.UNKNOWN_TYPE),
        ("текст/x", files.UNKNOWN_TYPE),
    ],
)
def test_a_content_type_is_kept_only_if_it_has_the_shape_of_one(claim, kept):
    assert files.clean_content_type(claim) == kept


# Fetching


@pytest.mark.parametrize("claim", ["text/html", "image/svg+xml", "application/javascript"])
def test_content_is_always_an_attachment_without_a_type(client, secret, project, claim):
    """T28"""
    file = FileFactory(project=project, content=b"<script>alert(1)</script>", name="x.html", content_type=claim)
    response = client.get(f"{API}/files/{file.public_id}/content", headers=bearer(secret))
    assert b"".join(response) == b"<script>alert(1)</script>"
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"] == 'attachment; filename="x.html"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Content-Length"] == "25"
    assert response["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("Füße 漢.txt", "attachment; filename*=utf-8''F%C3%BC%C3%9Fe%20%E6%BC%A2.txt"),
        ('a"b.txt', r'attachment; filename="a\"b.txt"'),
        ("a;b.txt", 'attachment; filename="a;b.txt"'),
    ],
)
def test_a_names_special_characters_stay_within_the_header(client, secret, project, name, header):
    """RFC 6266, RFC 5987"""
    file = FileFactory(project=project, name=name)
    response = client.get(f"{API}/files/{file.public_id}/content", headers=bearer(secret))
    response.close()
    assert response["Content-Disposition"] == header


def test_head_of_content_has_its_headers_and_no_bytes(client, secret, project):
    file = FileFactory(project=project, content=b"12345")
    response = client.head(f"{API}/files/{file.public_id}/content", headers=bearer(secret))
    assert (response.status_code, response["Content-Length"], b"".join(response)) == (200, "5", b"")


def test_a_file_whose_bytes_are_gone_is_not_found(client, secret, project):
    file = FileFactory(project=project)
    file.blob.storage.delete(file.blob.name)
    assert_error(client.get(f"{API}/files/{file.public_id}/content", headers=bearer(secret)), 404, "not_found")


@pytest.mark.parametrize(("method", "tail"), [("get", ""), ("get", "/content"), ("delete", ""), ("head", "")])
def test_a_file_of_another_project_is_like_one_that_never_existed(client, secret, method, tail):
    """T16, T28, P3"""
    foreign = FileFactory(project=ProjectFactory()).public_id
    answers = [
        getattr(client, method)(f"{API}/files/{file_id}{tail}", headers=bearer(secret))
        for file_id in (foreign, "file_0000000000000000")
    ]
    bodies = [re.sub(rb"req_\w{16}", b"req_", answer.content) for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert bodies[0] == bodies[1]
    assert File.objects.filter(public_id=foreign).exists()


# Deleting


def test_a_deleted_file_is_gone_with_its_bytes(client, secret, project, django_capture_on_commit_callbacks):
    file_id = upload(client, secret).json()["data"]["id"]
    assert len(blobs(project)) == 1
    with django_capture_on_commit_callbacks(execute=True):
        response = client.delete(f"{API}/files/{file_id}", headers=bearer(secret))
    assert (response.status_code, response.content) == (204, b"")
    assert (project.files.count(), blobs(project)) == (0, [])
    for tail in ("", "/content"):
        assert_error(client.get(f"{API}/files/{file_id}{tail}", headers=bearer(secret)), 404, "not_found")


def test_deleting_twice_is_not_found_the_second_time(client, secret, project):
    file = FileFactory(project=project)
    assert client.delete(f"{API}/files/{file.public_id}", headers=bearer(secret)).status_code == 204
    assert_error(client.delete(f"{API}/files/{file.public_id}", headers=bearer(secret)), 404, "not_found")


def test_bytes_stay_until_the_deletion_is_certain(client, secret, project, django_capture_on_commit_callbacks):
    file = FileFactory(project=project)
    with django_capture_on_commit_callbacks() as waiting:
        client.delete(f"{API}/files/{file.public_id}", headers=bearer(secret))
    assert (len(waiting), len(blobs(project))) == (1, 1)
