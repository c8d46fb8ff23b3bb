"""Files come back as they were sent and are never half-written. Size limit and quota hold."""

import re
import resource
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from common.slow_clients import transfers
from common.slow_clients.slots import Slots
from projects.files.storage import FileGone, open_bytes
from projects.models import File, Project
from tests.support.calls.api_client import downloaded, new_file
from tests.support.calls.api_helpers import assert_error, send_raw
from tests.support.calls.uploads import FILES, FORM, assert_nothing_stored, blobs, form
from tests.support.factories import ProjectFactory
from tests.support.programs.parallel import in_parallel

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def store(settings, tmp_path) -> Path:
    """The folder of the test's files."""
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


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
    """A program sends its key on purpose. A browser sends cookies by itself."""
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
    # The line of the security log, the note of a change and the deletion of the bytes wait for the commit.
    assert (len(waiting), len(blobs(store))) == (3, 1)


def test_a_file_whose_bytes_are_gone_is_unavailable_and_the_log_names_it(client, authorization, project, lines):
    """The bytes may lie on another server that does not share its folder with this one."""
    file = new_file(project=project)
    file.blob.storage.delete(file.blob.name)
    assert_error(client.get(f"{FILES}/{file.public_id}/content", headers=authorization), 503, "unavailable")
    [line] = [line for line in lines.getvalue().splitlines() if "status=503" in line]
    assert f"The bytes of {file.public_id} cannot be read in DATA_DIR/files: No such file or directory." in line


def test_a_file_that_was_deleted_in_the_meantime_is_not_found(project):
    file = new_file(project=project)
    file.blob.storage.delete(file.blob.name)
    File.objects.all().delete()
    with pytest.raises(FileGone):
        open_bytes(file)


# A disk that is full

MIB = 1024 * 1024


@pytest.fixture
def disk_is_full() -> Iterator[None]:
    """The operating system cuts every file of this process at 8 MiB, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MIB, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def assert_not_stored(answer: Any, lines: StringIO, cause: str, store: Path) -> None:
    """The answer is 503, and one line of the log has the reason. The line names neither the folder's path nor its
    content.
    """
    assert "Nothing was stored" in assert_error(answer, 503, "unavailable")
    assert answer["Retry-After"]
    assert not File.objects.exists()
    [line] = [line for line in lines.getvalue().splitlines() if "status=503" in line]
    assert f"Files cannot be written in {cause}." in line
    assert str(store) not in lines.getvalue()
    assert "Traceback" not in lines.getvalue()


@pytest.mark.parametrize("content", [b"1,2\n", b"x" * 3 * MIB], ids=["in memory", "in a file"])
def test_an_upload_into_a_folder_that_takes_nothing_is_unavailable(upload, lines, store, settings, content):
    """T54, T55"""
    settings.MEDIA_ROOT = store / "files"
    settings.MEDIA_ROOT.write_bytes(b"")  # a file in place of the folder stops even root
    assert_not_stored(upload(form(content=content)), lines, "DATA_DIR/files: Not a directory", store)
    assert [path.name for path in store.rglob("*")] == ["files"]


def test_an_upload_that_cannot_be_received_is_unavailable(upload, lines, store, settings):
    """T54, T55: a large file is received in a separate folder."""
    settings.FILE_UPLOAD_TEMP_DIR = store / "uploads"
    cause = "DATA_DIR/uploads: No such file or directory"
    assert_not_stored(upload(form(content=b"x" * 3 * MIB)), lines, cause, store)


@pytest.mark.parametrize(("in_memory", "folder"), [(16, "DATA_DIR/files"), (2, "DATA_DIR/uploads")])
def test_a_disk_that_takes_a_part_of_an_upload_keeps_nothing(
    upload, lines, store, settings, disk_is_full, in_memory, folder
):
    """T54, T55"""
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = in_memory * MIB
    settings.FILE_UPLOAD_TEMP_DIR = store
    assert_not_stored(upload(form(content=b"x" * 9 * MIB)), lines, f"{folder}: File too large", store)
    assert_nothing_stored(store)


# Size and quota


def test_a_file_of_exactly_the_limit_is_stored_and_one_byte_more_is_not(upload, store, settings):
    """T28"""
    settings.MAX_FILE_SIZE = 1000
    assert "1000" in assert_error(upload(form(content=b"x" * 1001)), 413, "file_too_large")
    assert_nothing_stored(store)
    assert upload(form(content=b"x" * 1000)).status_code == 201


class Unread:
    """A body that must not be read."""

    def read(self, *args: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = read


@pytest.mark.parametrize("length", ["26279937", "9" * 18, "9" * 30, "9" * 5000])
def test_a_body_that_claims_too_much_is_refused_unread(client, authorization, store, length):
    """T28: 25 MiB, and 64 KiB for the form around the file."""
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
    assert "Delete" in assert_error(upload(form(content=b"12345")), 413, "storage_exceeded")
    assert blobs(store) == [b"123456"]
    assert upload(form(content=b"1234")).status_code == 201
    assert client.delete(first["links"]["self"], headers=authorization).status_code == 204
    assert upload(form(content=b"123456")).status_code == 201


def test_each_project_has_a_quota_of_its_own(upload, settings):
    settings.PROJECT_QUOTA = 20
    new_file(project=ProjectFactory(), content=b"x" * 20)
    assert upload(form(content=b"x" * 20)).status_code == 201


def test_ten_uploads_at_once_stay_within_the_quota(transactional_db, upload, store, settings, monkeypatch):
    """T28"""
    monkeypatch.setattr(transfers, "_uploads", Slots(10))
    settings.PROJECT_QUOTA = 50
    answers = in_parallel([lambda: upload(form(content=b"0123456789")) for _ in range(10)])
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [413] * 5
    for answer in answers:
        if answer.status_code == 413:
            assert_error(answer, 413, "storage_exceeded")
    assert sorted(File.objects.values_list("size", flat=True)) == [10] * 5
    assert blobs(store) == [b"0123456789"] * 5


# Nothing half-written


def test_a_row_that_cannot_be_written_leaves_no_bytes(upload, store):
    """T28"""

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(f'INSERT INTO "{File._meta.db_table}"'):
            assert blobs(store) == [b"1,2\n"], "the bytes are written before the row"
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


def test_deleting_twice_at_once_succeeds_once(transactional_db, authorization, project, store):
    file = new_file(project=project)
    address = f"{FILES}/{file.public_id}"
    answers = in_parallel([lambda: Client().delete(address, headers=authorization) for _ in range(5)])
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404, 404]
    assert_nothing_stored(store)
