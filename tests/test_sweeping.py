"""`sweepfiles` finds what a killed server left of files, and nothing else."""

import json
import os
import time
from pathlib import Path

import pytest
from django.core.management import call_command

from projects.sweeping import _older_than
from tests.factories import FileFactory
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db


def age(path, days: float) -> None:
    at = time.time() - days * 86_400
    os.utime(path, (at, at))


@pytest.fixture
def stored(settings, tmp_path):
    """A file's bytes, an old stray's, and a young one's, which may be an upload at hand."""
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


def test_without_a_folder_there_is_nothing(settings, tmp_path, capsys):
    settings.MEDIA_ROOT = tmp_path / "none"
    call_command("sweepfiles")
    assert capsys.readouterr().out.startswith("0 without a file, 0 bytes")


def test_files_that_go_meanwhile_are_no_trouble(stored):
    """The server goes on deleting files between the listing of a folder and the look at each."""
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
