"""docs/containers.md: the backup of containers, which `manage.py backup restore` brings back."""

import re
from pathlib import Path

import pytest
from django.db import connection

from tests.config.backups.running import KEYS, backup, run
from tests.support.environment import DATA_DIR, ON_SQLITE, REPOSITORY
from tests.support.factories import FileFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(ON_SQLITE, reason="compose.yaml runs PostgreSQL"),
]


def lines_of_the_page() -> str:
    """The commands, with what they would run in a container."""
    section = (REPOSITORY / "docs/containers.md").read_text().partition("## Back up")[2]
    [commands] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    database = connection.settings_dict
    for written, here in {
        "docker compose exec -T database ": "",
        "docker compose exec -T web ": "",
        "--username=latchkey": f"-h {database['HOST']} -p {database['PORT']} --username={database['USER']}",
        " latchkey > ": f" {database['NAME']} > ",
        " /data ": f" {DATA_DIR} ",
    }.items():
        assert written in commands
        commands = commands.replace(written, here)
    return commands


def test_what_the_containers_wrote_is_restored(secrets, project, tmp_path, elsewhere, kept_apart):
    """T9"""
    file = FileFactory(project=project, content=b"1,2,3\n")
    written = run("sh", "-ec", f"cd {tmp_path}\n{lines_of_the_page()}")
    assert (written.returncode, written.stderr) == (0, "")
    restored = backup("restore", tmp_path / "backup", **elsewhere, **kept_apart)
    assert (restored.returncode, restored.stderr) == (0, "")
    assert restored.stdout.startswith(f"{KEYS} keys proven")
    assert Path(elsewhere["DATA_DIR"], "files", file.blob.name).read_bytes() == b"1,2,3\n"
