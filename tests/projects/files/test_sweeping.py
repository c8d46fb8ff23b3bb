"""`sweepfiles` finds the leftover files of a killed server, and nothing else."""

import json
import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import call_command

from projects.files.sweeping import _older_than
from tests.support.calls.uploads import FILES, FORM, form
from tests.support.environment import DATA_DIR
from tests.support.factories import FileFactory
from tests.support.programs.parallel import in_parallel
from tests.support.programs.servers import SECONDS_TO_ANSWER, Server

pytestmark = pytest.mark.django_db


def age(path, days: float) -> None:
    at = time.time() - days * 86_400
    os.utime(path, (at, at))


@pytest.fixture
def stored(settings, tmp_path):
    """The bytes of a file, of an old orphan and of a young orphan, which may be an upload in progress."""
    settings.MEDIA_ROOT = tmp_path
    file = FileFactory(content=b"owned")
    age(file.blob.path, days=2)
    old, young = tmp_path / "prj_x" / "old", tmp_path / "prj_x" / "young"
    old.parent.mkdir()
    old.write_bytes(b"12345")
    age(old, days=2)
    young.write_bytes(b"1")
    return file, old, young


def test_it_lists_and_changes_nothing_unless_told(stored, capsys):
    file, old, _young = stored
    call_command("sweepfiles")
    said = capsys.readouterr().out
    assert "prj_x/old\n1 without a file, 5 bytes" in said
    assert "--delete" in said
    assert "young" not in said
    assert file.blob.name not in said
    assert old.exists()


def test_it_deletes_what_has_no_row_and_is_old(stored, capsys):
    """T42"""
    file, old, young = stored
    call_command("sweepfiles", delete=True, json=True)
    assert json.loads(capsys.readouterr().out) == {"names": ["prj_x/old"], "bytes": 5, "deleted": True}
    assert not old.exists()
    assert young.exists()
    assert Path(file.blob.path).read_bytes() == b"owned"


def test_a_missing_folder_has_nothing_to_sweep(settings, tmp_path, capsys):
    settings.MEDIA_ROOT = tmp_path / "none"
    for delete in (False, True):
        call_command("sweepfiles", delete=delete)
        assert capsys.readouterr().out == "Nothing to sweep.\n"
    call_command("sweepfiles", json=True)
    assert json.loads(capsys.readouterr().out) == {"names": [], "bytes": 0, "deleted": False}


def test_files_that_go_meanwhile_are_no_trouble(stored):
    """The server keeps deleting files between the listing of a folder and the check of each file."""
    _file, old, _young = stored
    folder = old.parent

    def come_and_go() -> None:
        for _ in range(300):
            for number in range(5):
                (folder / f"passing{number}").touch()
            for number in range(5):
                (folder / f"passing{number}").unlink()

    def look() -> set[str]:
        return {stray.name for _ in range(100) for stray in _older_than(time.time() - 86_400, folder)}

    assert in_parallel([come_and_go, look]) == [None, {"old"}]


# Uploads that are cut off while they arrive

UPLOADS = DATA_DIR / "uploads"


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def begun_upload(server: Server, secret: str) -> Iterator[Path]:
    """The path where the server keeps the beginning of an upload that never ends."""
    before = set(UPLOADS.iterdir())
    body = form(content=b"x" * 5_000_000)
    head = f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n"
    fields = f"Content-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS_TO_ANSWER) as connection:
        connection.sendall((head + fields).encode() + body[:4_000_000])
        until(lambda: any(path.stat().st_size for path in set(UPLOADS.iterdir()) - before))
        [path] = set(UPLOADS.iterdir()) - before
        yield path


def test_an_upload_at_hand_is_the_servers_alone_and_goes_with_its_client(server, api_key):
    """T28"""
    with begun_upload(server, api_key.secret) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(UPLOADS.stat().st_mode) == 0o700
    until(lambda: not path.exists())


def test_a_partial_upload_is_swept_after_a_kill(start_server, api_key, settings, tmp_path, capsys):
    """T42"""
    settings.MEDIA_ROOT = tmp_path / "none"
    server = start_server()
    with begun_upload(server, api_key.secret) as path:
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
    size = path.stat().st_size
    assert size > 0, "the partial upload is still there"
    call_command("sweepfiles", delete=True)
    assert path.exists(), "the file may be an upload in progress"
    age(path, days=2)
    capsys.readouterr()
    call_command("sweepfiles")
    assert capsys.readouterr().out.startswith(f"{path.name}\n1 without a file, {size:,} bytes")
    call_command("sweepfiles", delete=True)
    assert not path.exists()
