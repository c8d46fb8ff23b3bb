"""Hostile uploads are made harmless, and downloads are harmless."""

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.files import storage
from projects.models import File
from projects.services import delete_project
from tests.support.calls.api_client import downloaded, new_file
from tests.support.calls.api_helpers import assert_error
from tests.support.calls.uploads import FILES, NEVER, assert_nothing_stored, form

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def store(settings, tmp_path) -> Path:
    """The folder of the test's files."""
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


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
    # Nothing of the name reaches the file system.
    [path] = [path for path in store.rglob("*") if path.is_file()]
    assert path.parent == store / project.public_id
    assert len(path.name) == 32
    assert set(path.name) <= set("0123456789abcdef")


# Names that Django's parser would change. The rule does not rely on that parser.
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
    assert storage.clean_file_name(sent) == kept


@pytest.mark.nodb
@given(st.text(max_size=600))
def test_no_name_has_a_path_or_hidden_characters(sent):
    """T28"""
    name = storage.clean_file_name(sent)
    assert 1 <= len(name) <= 255
    assert name not in {".", ".."}
    assert not re.search(r"[/\\\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", name)


# For Django's parser (RFC 7578), these are no file or no form.
REFUSED_NAMES = {
    "empty": (b"", 422),
    "dot": (b".", 422),
    "dots": (b"..", 422),
    "only a path": (b"../../", 422),
    "10,000 characters": (b"n" * 10_000, 400),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED_NAMES.values(), ids=REFUSED_NAMES.keys())
def test_an_invalid_file_name_is_refused(upload, store, sent, status):
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
        ("Füße 漢.txt", "attachment; filename=\"Fu_e _.txt\"; filename*=utf-8''F%C3%BC%C3%9Fe%20%E6%BC%A2.txt"),
        ('a"b.txt', "attachment; filename=\"a_b.txt\"; filename*=utf-8''a%22b.txt"),
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


@pytest.mark.nodb
@pytest.mark.parametrize("claim", ["text/csv\r\nX: y", "text/csv\x00", "a" * 200, "text", "/", "a/b/c", None, "é/é"])
def test_a_content_type_of_the_wrong_shape_is_unknown(claim):
    assert storage.clean_content_type(claim) == storage.UNKNOWN_TYPE


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("claim", "kept"),
    [("text/csv", "text/csv"), ("TEXT/HTML", "text/html"), ("image/svg+xml", "image/svg+xml")],
)
def test_a_content_type_of_the_right_shape_is_kept(claim, kept):
    assert storage.clean_content_type(claim) == kept
