"""`backup save` on a busy server, on a full disk, and when it is interrupted."""

import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.config.backups.running import COMMAND, backup, everything, run
from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.django_db(transaction=True)

TRIES = 3
SECONDS_TO_BEGIN = 60


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Uploaded files in a separate DATA_DIR."""
    folder = tmp_path / "data" / "files"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def places(files, tmp_path) -> dict[str, str]:
    (tmp_path / "scratch").mkdir()
    return {"DATA_DIR": str(files.parent), "TMPDIR": str(tmp_path / "scratch"), "LOG_LEVEL": "ERROR"}


@contextmanager
def people_at_work(files: Path) -> Iterator[None]:
    """About 1,000 files. One of them is deleted and another one uploaded all the time."""
    paths, ended = [files / f"{number}.bin" for number in range(2_000)], Event()

    def work() -> None:
        for number in count():
            paths[number % 2_000].unlink(missing_ok=True)
            paths[(number + 1_000) % 2_000].write_bytes(b"new")
            if ended.is_set():
                return

    worker = Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


def left_behind(tmp_path: Path) -> set[str]:
    """Neither a part of a backup nor the file with the database's password may stay behind."""
    assert not list((tmp_path / "scratch").iterdir())
    return {path.name for path in tmp_path.iterdir()} - {"data", "scratch"}


def test_a_busy_server_is_saved_with_all_that_stays(files, places, tmp_path):
    """T9: deletions and uploads during the backup do not make it fail."""
    for number in range(50):
        (files / f"kept-{number}").write_bytes(f"{number}".encode() * 1_000)
    with people_at_work(files):
        for tried in range(TRIES):
            folder = tmp_path / f"backup-{tried}"
            result = backup("save", folder, **places)
            assert (result.returncode, result.stderr) == (0, "")
            assert result.stdout.startswith(f"Saved to {folder}, ")
    with tarfile.open(folder / "files.tar") as saved:
        for number in range(50):
            member = saved.extractfile(f"files/kept-{number}")
            assert member is not None
            assert member.read() == f"{number}".encode() * 1_000
    assert left_behind(tmp_path) == {f"backup-{before}" for before in range(TRIES)}


def test_a_folder_that_nothing_was_saved_to_before_is_made(files, places, tmp_path):
    folder = tmp_path / "backups" / "of January" / "31"
    result = backup("save", folder, **places)
    assert (result.returncode, result.stderr) == (0, "")
    assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"database", "files"}
    assert left_behind(tmp_path) == {"backups"}


def test_a_backup_that_does_not_fit_does_not_block_the_next_one(files, places, tmp_path):
    """A limit of 4 MB for a file stands for a full disk (8 MB where the shell counts in kB)."""
    big = files / "big"
    with big.open("wb") as file:
        file.truncate(20_000_000)
    folder = tmp_path / "backup"
    script = 'ulimit -f 8192; exec "$@"'
    result = run("sh", "-c", script, "sh", *COMMAND, "save", str(folder), **places)
    assert (result.returncode != 0, result.stdout) == (True, "")
    assert left_behind(tmp_path) == set()
    big.unlink()
    assert backup("save", folder, **places).returncode == 0
    assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"database", "files"}


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_save_leaves_a_whole_backup_or_none(ended_by, files, places, tmp_path):
    folder = tmp_path / "backup"
    command = [*COMMAND, "save", str(folder)]
    with subprocess.Popen(command, cwd=REPOSITORY, env=everything(**places), start_new_session=True) as process:
        deadline = time.monotonic() + SECONDS_TO_BEGIN
        while not any(tmp_path.glob("*backup*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        os.killpg(process.pid, ended_by)
    assert left_behind(tmp_path) == ({"backup"} if process.returncode == 0 else set())
