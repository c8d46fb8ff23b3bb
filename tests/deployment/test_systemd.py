"""The units in docs/systemd, and the files and lines in docs/systemd.md work."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from config.serving.server import CONNECTIONS, DRAIN_SECONDS, OTHER_FILES
from tests.config.backups.running import everything
from tests.docs.test_recipes import variables_read
from tests.support.environment import REPOSITORY, lacking

pytestmark = pytest.mark.nodb

UNITS = sorted((REPOSITORY / "docs" / "systemd").glob("*.service"))
NAMES = [unit.name for unit in UNITS]
SERVERS = [unit for unit in UNITS if "migrate" not in unit.name]
DOCUMENTED = (REPOSITORY / "docs" / "systemd.md").read_text()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as systemd finds them. Their programs are those of this checkout."""
    if shutil.which("systemd-analyze") is None:
        lacking("systemd-analyze")
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/srv/latchkey", str(REPOSITORY)))
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


def values(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


def test_systemd_accepts_every_line(installed):
    """An unknown key is a warning, and no failure."""
    result = analyze("verify", *(str(installed / name) for name in NAMES))
    # systemd-analyze also checks the units of the machine.
    ours = [line for line in result.stderr.splitlines() if "latchkey" in line.lower()]
    assert (result.returncode, ours) == (0, [])


def test_an_unknown_key_would_be_noticed(installed):
    unit = installed / NAMES[0]
    unit.write_text(unit.read_text().replace("[Service]", "[Service]\nProtectEverything=yes"))
    assert "ProtectEverything" in analyze("verify", str(unit)).stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_exposes_little(installed, name):
    result = analyze("security", "--offline=true", str(installed / name))
    [level] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)
    assert float(level) <= 2.0, result.stdout


@pytest.mark.parametrize("unit", UNITS, ids=NAMES)
def test_every_variable_is_a_setting_and_every_unit_is_documented(unit):
    names = {value.partition("=")[0] for value in values(unit, "Environment")}
    assert names
    assert names <= variables_read()
    assert f"systemd/{unit.name}" in DOCUMENTED


@pytest.mark.parametrize("unit", SERVERS, ids=lambda unit: unit.name)
def test_a_server_has_time_to_stop_and_files_for_its_connections(unit):
    [seconds], [files] = values(unit, "TimeoutStopSec"), values(unit, "LimitNOFILE")
    assert int(seconds) > DRAIN_SECONDS + 5
    advised = (REPOSITORY / "docs" / "reliability.md").read_text()
    assert set(re.findall(r"(?:TimeoutStopSec=|GracePeriodSeconds: )(\d+)", advised)) == {seconds}
    assert int(files) >= CONNECTIONS + OTHER_FILES
    assert (values(unit, "Type"), values(unit, "Restart")) == (["notify"], ["always"])
    assert values(unit, "KillMode") == ["mixed"], "the workers end by their server's signal"


def test_the_units_are_hardened_in_the_same_way():
    parts = [unit.read_text().partition("# What a server needs of the system")[2].partition("\n[")[0] for unit in UNITS]
    assert len({part.strip() for part in parts}) == 1
    assert parts[0]


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
