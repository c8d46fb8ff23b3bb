"""`latchkey`, the program that `uv tool install` makes of a checkout, as docs/running.md installs it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from django.core.management import get_commands

from tests.support.environment import REPOSITORY
from tests.support.programs.postgres import free_port
from tests.support.programs.uv import find_uv

pytestmark = [pytest.mark.nodb, pytest.mark.slow]

DOCUMENTED = (REPOSITORY / "docs" / "running.md").read_text().partition("\n## Install\n")[2].partition("\n## ")[0]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with `latchkey`. Nothing of it is in the checkout, where a build may leave no files either."""
    folder = tmp_path_factory.mktemp("installed")
    checkout = folder / "checkout"
    shutil.copytree(REPOSITORY, checkout, ignore=shutil.ignore_patterns(".*", "var", "tests", "__pycache__"))
    [lines] = re.findall(r"```sh\n(\.uv/bin/uv export .+?)```", DOCUMENTED, re.DOTALL)
    lines = lines.replace(".uv/bin/uv", find_uv())
    tools = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "programs")}
    subprocess.run(["sh", "-ec", lines], cwd=checkout, env={**os.environ, **tools}, check=True)
    shutil.rmtree(checkout)
    return folder / "programs"


@pytest.fixture
def somewhere(tmp_path: Path) -> Path:
    """A folder to run commands in. It has a package of a name that ours has, as many projects do."""
    (tmp_path / "somewhere" / "config").mkdir(parents=True)
    (tmp_path / "somewhere" / "config" / "__init__.py").write_text("raise SystemExit('the package of another project')")
    return tmp_path / "somewhere"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}


@pytest.fixture
def run(programs: Path, somewhere: Path, environment: dict[str, str]) -> Run:
    def run_one(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(programs / "latchkey"), *arguments]
        return subprocess.run(
            command, cwd=somewhere, env=environment | more, capture_output=True, text=True, check=False
        )

    return run_one


@pytest.fixture
def served(run: Run, programs: Path, somewhere: Path, environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """The ports of an installed server on its own SQLite file."""
    for command in ("migrate", "collectstatic"):
        done = run(command, "--no-input", "-v", "0")
        assert done.returncode == 0, done.stderr
    port, check_port = free_port(), free_port()
    process = subprocess.Popen(
        [programs / "latchkey", "serve"],
        cwd=somewhere,
        env={**environment, "PORT": str(port), "CHECK_PORT": str(check_port)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "Latchkey is ready" in process.stdout.readline()
    yield port, check_port
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_it_has_every_command_of_manage_py(run):
    listed = set(re.findall(r"^    (\w+)$", run("help").stdout, re.MULTILINE))
    assert listed == set(get_commands())


def test_it_serves_pages_with_their_styles_and_the_check(served, environment, somewhere):
    port, check_port = served
    page = urlopen(f"http://127.0.0.1:{port}/accounts/signup/").read().decode()
    assert 'name="password1"' in page
    files = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', page))
    assert files
    for path in files:
        assert urlopen(f"http://127.0.0.1:{port}{path}").status == 200
    for each in (port, check_port):
        assert json.load(urlopen(f"http://127.0.0.1:{each}/health/ready")) == {"status": "ready"}
    # An upgrade replaces the folder of the code, and people run commands in any folder.
    data = Path(environment["HOME"]) / ".local" / "share" / "latchkey"
    assert {"latchkey.sqlite3", "secrets", "static", "uploads"} <= {path.name for path in data.iterdir()}
    assert [path.name for path in somewhere.iterdir()] == ["config"]


def test_the_first_command_says_which_secrets_to_keep_and_the_next_one_does_not(run):
    first, second = run("check"), run("check")
    assert first.returncode == second.returncode == 0
    [line] = [line for line in first.stderr.splitlines() if "secrets_made" in line]
    assert "key_peppers and key_ring, apart from backups" in line
    assert "secrets_made" not in second.stderr


@pytest.mark.parametrize("arguments", [[], ["help"], ["serve", "--help"], ["--version"]])
def test_who_asks_what_it_does_gets_no_folder(run, environment, arguments):
    asked = run(*arguments)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert list(Path(environment["HOME"]).iterdir()) == []


@pytest.mark.parametrize("asks", ["version", "--version"])
def test_it_says_its_own_version_and_not_that_of_django(run, asks):
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    checkout = subprocess.run(
        [sys.executable, REPOSITORY / "manage.py", asks], capture_output=True, text=True, check=True
    )
    assert run(asks).stdout == checkout.stdout == f"{project['version']}\n"


def test_data_lies_where_the_person_keeps_data(run, tmp_path, environment):
    for folder, variables in (
        ("xdg", {"XDG_DATA_HOME": str(tmp_path / "xdg")}),
        ("own", {"DATA_DIR": str(tmp_path / "own")}),
    ):
        assert run("check", **variables).returncode == 0
        assert list((tmp_path / folder).rglob("key_ring"))
    assert list(Path(environment["HOME"]).iterdir()) == []


def test_its_advice_names_the_program(run):
    refused = run("serve", PORT=str(free_port()), CHECK_PORT=str(free_port()))
    assert "Run: latchkey collectstatic --no-input" in refused.stderr
    assert "latchkey migrate" in run("listkeys", "prj_0000000000000000").stderr
