"""The files and lines in docs/running.md, "As a service", work."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.scripts.test_backup import everything
from tests.support.environment import REPOSITORY, lacking

pytestmark = pytest.mark.nodb

DOCUMENTED = (REPOSITORY / "docs" / "running.md").read_text().partition("\n## As a service\n")[2].partition("\n## ")[0]


def test_systemd_accepts_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        lacking("systemd-analyze")
    unit = tmp_path / "latchkey.service"
    [text] = re.findall(r"```ini\n(.+?)```", DOCUMENTED, re.DOTALL)
    unit.write_text(text.replace("/srv/latchkey", str(REPOSITORY)))
    result = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    # systemd-analyze also checks the units of the machine.
    ours = [line for line in result.stderr.splitlines() if "latchkey" in line.lower()]
    assert (result.returncode, ours) == (0, [])


@pytest.mark.django_db(transaction=True)
def test_the_line_for_cron_runs_with_nothing_but_the_file_of_settings(tmp_path):
    [line] = re.findall(r"^\d+ \d+ \* \* \*  latchkey  (.+)$", DOCUMENTED, re.MULTILINE)
    known = everything()
    settings = {name: known[name] for name in ("DATABASE_URL", "DATA_DIR") if name in known}
    file = tmp_path / "latchkey.env"
    file.write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()))
    command = line.replace("/etc/latchkey.env", str(file)).replace("/srv/latchkey", str(REPOSITORY))
    command = command.replace("/var/backups/latchkey", str(tmp_path)).replace(r"\%", "%")
    result = subprocess.run(["sh", "-c", command], env={"PATH": known["PATH"]}, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, ""), line
    [backup] = [path for path in Path(tmp_path).iterdir() if path.is_dir()]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", backup.name)
    assert any(backup.iterdir())
