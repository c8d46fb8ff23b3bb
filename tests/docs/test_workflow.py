""".github/workflows/ci.yml runs the same as .ci/run, on every Python that Latchkey supports."""

import re
import tomllib

import pytest
import yaml

from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

WORKFLOW = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text())
MAKEFILE = (REPOSITORY / "Makefile").read_text()
JOBS = WORKFLOW["jobs"]


def made(text: str) -> list[str]:
    """The targets of `make` commands."""
    return re.findall(r"\bmake ([a-z-]+)", text)


def commands(job: str) -> str:
    return "\n".join(step.get("run", "") for step in JOBS[job]["steps"])


def test_it_makes_all_that_ci_run_makes():
    parts = made((REPOSITORY / ".ci" / "run").read_text())
    assert parts
    assert {target for job in JOBS for target in made(commands(job))} >= set(parts)


@pytest.mark.parametrize("job", JOBS)
def test_its_commands_are_in_the_makefile(job):
    targets = made(commands(job))
    assert targets
    assert not {target for target in targets if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)}


@pytest.mark.parametrize("job", JOBS)
def test_each_job_runs_on_every_python_that_make_looks_for(job):
    pythons = JOBS[job]["strategy"]["matrix"]["python"]
    looked_for = re.search(r"for python in ((?:python3\.\d+ )+)", MAKEFILE)
    assert looked_for
    assert pythons == sorted(name.removeprefix("python") for name in looked_for[1].split())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={pythons[0]}"


def test_a_missing_program_fails_it():
    """With CI=true, a test that lacks a program fails. On a developer's machine it is skipped."""
    assert WORKFLOW["env"]["CI"] == "true"


def test_it_may_only_read():
    assert WORKFLOW["permissions"] == {"contents": "read"}
