"""No other user of the machine may read the data folder, even where an earlier release left it open."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from config.serving.private_files import mend
from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

# The umask of a typical shell. With it, the server's files would be open to everybody.
OPEN = ["sh", "-c", 'umask 022; exec "$@"', "sh"]


def manage(folder, *arguments, **environment):
    command = [*OPEN, sys.executable, "manage.py", *arguments]
    variables = {"DATA_DIR": str(folder), **environment}
    return subprocess.run(command, cwd=REPOSITORY, env=variables, capture_output=True, text=True)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def too_open(folder, forbidden=0o077):
    return [str(path) for path in [folder, *folder.rglob("*")] if mode(path) & forbidden]


def test_files_of_a_command_are_open_to_the_servers_user_alone(tmp_path):
    folder = tmp_path / "data"
    done = manage(folder, "migrate", "-v", "0")
    assert done.returncode == 0, done.stderr
    assert (folder / "latchkey.sqlite3").exists()
    assert (folder / "secrets" / "key_ring").exists()
    assert too_open(folder) == []
    assert "mode_" not in done.stderr


@pytest.fixture
def left_open(tmp_path):
    """A data folder as an earlier release left it under a umask of 022."""
    folder = tmp_path / "data"
    for name in ("files", "uploads", "secrets", "static"):
        (folder / name).mkdir(parents=True)
    for name in ("latchkey.sqlite3", "latchkey.sqlite3-wal", "latchkey.sqlite3-shm", "secrets/key_ring"):
        (folder / name).touch()
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def test_a_folder_that_was_left_open_is_mended_and_the_log_says_so(left_open):
    (left_open / "secrets" / "key_ring").unlink()
    (left_open / "latchkey.sqlite3-wal").unlink()
    (left_open / "latchkey.sqlite3-shm").unlink()
    done = manage(left_open, "check")
    assert done.returncode == 0, done.stderr
    assert too_open(left_open) == []
    for path in (left_open, left_open / "latchkey.sqlite3", left_open / "secrets"):
        assert f"event='mode_mended' path='{path}'" in done.stderr.replace('"', "'"), path
    assert "mode_mended" not in manage(left_open, "check").stderr


def test_files_beside_the_database_are_mended_too(left_open, capfd):
    mend(left_open, left_open / "latchkey.sqlite3", 0o077)
    assert too_open(left_open) == []


def test_a_group_may_share_the_folder_but_not_the_secrets(left_open):
    """Nothing gets more rights than before, and the setgid bit stays."""
    (left_open / "files").chmod(0o2775)
    mend(left_open, None, 0o007)
    assert (mode(left_open), mode(left_open / "files")) == (0o750, 0o2770)
    assert (mode(left_open / "secrets"), mode(left_open / "secrets" / "key_ring")) == (0o700, 0o600)


def test_uploads_of_a_shared_folder_are_the_groups(tmp_path):
    folder = tmp_path / "data"
    names = ("FILE_UPLOAD_PERMISSIONS", "FILE_UPLOAD_DIRECTORY_PERMISSIONS")
    shown = f"from django.conf import settings; print(*(oct(getattr(settings, name)) for name in {names}))"
    done = manage(folder, "shell", "--no-imports", "-c", shown, UMASK="007")
    assert done.stdout.split() == ["0o660", "0o770"], done.stderr
    assert (mode(folder), mode(folder / "uploads"), mode(folder / "secrets")) == (0o770, 0o770, 0o700)


@pytest.mark.parametrize("text", ["022", "000", "77x", "-1", "0777", "rwx"])
def test_a_umask_that_lets_everybody_in_is_refused_by_its_name(tmp_path, text):
    done = manage(tmp_path / "data", "check", UMASK=text)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith("UMASK: it must be 077 or 027 or 007, not")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_files_of_another_user_are_named_and_left_alone(left_open, caplog):
    with TemporaryDirectory() as place:
        Path(place).chmod(0o711)  # pytest's own folder is open only to root
        folder = left_open.rename(Path(place) / "data")
        os.seteuid(65534)
        try:
            mend(folder, folder / "latchkey.sqlite3", 0o077)
        finally:
            os.seteuid(0)
        assert mode(folder) == 0o755
    named = {record.msg["path"] for record in caplog.records if record.msg["event"] == "mode_too_open"}
    assert {str(folder), str(folder / "latchkey.sqlite3")} <= named


@pytest.mark.skipif(os.geteuid() != 0, reason="for root alone")
def test_root_does_not_close_a_folder_that_holds_other_things_too(left_open, caplog):
    """DATA_DIR=/srv would close /srv to every other service."""
    (left_open / "somebody-elses").mkdir()
    mend(left_open, left_open / "latchkey.sqlite3", 0o077)
    assert mode(left_open) == 0o755
    assert mode(left_open / "latchkey.sqlite3") == 0o600
    assert [r.msg["path"] for r in caplog.records if r.msg["event"] == "mode_too_open"] == [str(left_open)]


def test_a_link_is_not_followed(left_open, tmp_path):
    elsewhere = Path(tmp_path / "elsewhere")
    elsewhere.mkdir(mode=0o755)
    elsewhere.chmod(0o755)
    (left_open / "files").rmdir()
    (left_open / "files").symlink_to(elsewhere)
    mend(left_open, None, 0o077)
    assert mode(elsewhere) == 0o755
