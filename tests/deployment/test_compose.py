"""compose.yaml, and the lines in docs/containers.md that make its secrets. tests/image runs its services."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config.serving.server import DRAIN_SECONDS
from tests.docs.test_recipes import variables_read
from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

COMPOSE = (REPOSITORY / "compose.yaml").read_text()
CONTAINERFILE = (REPOSITORY / "Containerfile").read_text()
DOCUMENTED = (REPOSITORY / "docs" / "containers.md").read_text()
PROJECT = yaml.safe_load(COMPOSE)
OURS = ["migrate", "web"]


def make_secrets(folder: Path) -> Path:
    """Runs the documented lines."""
    [lines] = re.findall(r"```sh\n(install -d .+?)```", DOCUMENTED, re.DOTALL)
    subprocess.run(["sh", "-ec", lines], cwd=folder, check=True)
    return folder / "secrets"


def documented_choices() -> dict[str, str]:
    """What the documented lines write into `.env`."""
    return dict(re.findall(r"^echo ([A-Z_]+)=(\S+) >>? \.env$", DOCUMENTED, re.MULTILINE))


def is_a_setting(name: str) -> bool:
    known = variables_read()
    return name in known or name.removesuffix("_FILE") in known


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_no_secret_stands_in_the_environment(name):
    environment = PROJECT["services"][name]["environment"]
    assert not [variable for variable in environment if not is_a_setting(variable)]
    files = {variable: value for variable, value in environment.items() if variable.endswith("_FILE")}
    assert set(files.values()) == {f"/run/secrets/{secret}" for secret in PROJECT["services"][name]["secrets"]}
    assert {"SECRET_KEY_FILE", "KEY_PEPPERS_FILE", "KEY_RING_FILE", "DATABASE_URL_FILE", "EMAIL_URL_FILE"} <= set(files)


def test_every_variable_of_the_image_is_a_setting():
    [lines] = re.findall(r"^ENV PATH=.+?[^\\]$", CONTAINERFILE, re.DOTALL | re.MULTILINE)
    names = set(re.findall(r"([A-Z_]+)=", lines)) - {"PATH", "PYTHONDONTWRITEBYTECODE"}
    assert {"DATA_DIR", "STATIC_ROOT", "HOST", "PORT"} == names
    assert not [name for name in names if not is_a_setting(name)]


def test_every_secret_and_volume_is_defined_and_made(tmp_path):
    made = make_secrets(tmp_path)
    assert {each["file"] for each in PROJECT["secrets"].values()} == {f"secrets/{path.name}" for path in made.iterdir()}
    used = {secret for service in PROJECT["services"].values() for secret in service["secrets"]}
    assert used == set(PROJECT["secrets"])
    mounted = {volume.partition(":")[0] for service in PROJECT["services"].values() for volume in service["volumes"]}
    assert mounted == set(PROJECT["volumes"])


def test_the_documented_secrets_are_readable_in_the_containers_and_by_nobody_else_on_the_machine(tmp_path):
    """A container's user is another one than the files' owner."""
    made = make_secrets(tmp_path)
    assert made.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in made.iterdir()} == {0o444}
    password = (made / "database_password").read_text()
    database = PROJECT["services"]["database"]["environment"]
    assert (made / "database_url").read_text().strip() == (
        f"postgresql://{database['POSTGRES_USER']}:{password}@database/{database['POSTGRES_DB']}"
    )
    files = {f"{path.name.upper()}_FILE": str(path) for path in made.iterdir() if path.name != "database_password"}
    production = {"ENV": "production", "TRUSTED_PROXIES": "1", **documented_choices()}
    checked = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=REPOSITORY,
        env={"DATA_DIR": str(tmp_path / "data"), **production, **files},
        capture_output=True,
        text=True,
    )
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr


def test_the_steps_choose_everything_that_compose_asks_for():
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", COMPOSE))
    assert asked == set(documented_choices())


def test_the_server_starts_after_the_migrations_and_has_time_to_stop():
    web, migrate = PROJECT["services"]["web"], PROJECT["services"]["migrate"]
    assert web["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert migrate["depends_on"]["database"] == {"condition": "service_healthy"}
    assert int(web["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS + 5
    for service in (web, migrate):
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert PROJECT["services"]["database"]["image"].endswith("postgres:16")


def test_what_the_image_is_built_from_is_let_into_the_build():
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    [built] = re.findall(r"^only-include = \[(.+)\]$", (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert allowed == {*re.findall(r'"(.+?)"', built), "pyproject.toml", "uv.lock", "README.md", "LICENSE"}
    assert not [name for name in allowed if not os.path.exists(REPOSITORY / name)]
