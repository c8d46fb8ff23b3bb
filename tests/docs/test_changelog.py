"""CHANGELOG.md and docs/releasing.md, as far as a test can check a release."""

import re
import subprocess
import tomllib
from datetime import date

import pytest

from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

HEADINGS = re.findall(r"^## (.*)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
RELEASE = re.compile(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d{2}-\d{2})")


def releases() -> list[tuple[tuple[int, ...], date]]:
    """Version and date of each release in the changelog."""
    found = [RELEASE.fullmatch(heading) for heading in HEADINGS[1:]]
    assert all(found), HEADINGS
    return [(tuple(map(int, match.groups()[:3])), date.fromisoformat(match[4])) for match in found if match]


def git(*arguments: str) -> list[str]:
    """The lines of git's output; empty if the project is no repository."""
    answer = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return answer.stdout.splitlines()


def changed_migrations(since: str) -> list[str]:
    """The migrations of `since` that have changed."""
    files = git("diff", "--name-status", "--no-renames", since, "--", "*/migrations/*.py")
    return [line for line in files if not line.startswith("A")]


def test_the_changelog_begins_with_what_is_unreleased_and_dates_every_release():
    assert HEADINGS[0] == "[Unreleased]"
    assert releases() == sorted(releases(), reverse=True)


def test_the_version_is_the_newest_release_or_a_later_one():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    locked = tomllib.loads((REPOSITORY / "uv.lock").read_text())["package"]
    assert [package["version"] for package in locked if package["name"] == "latchkey"] == [project]
    assert all(tuple(map(int, project.split("."))) >= version for version, _ in releases())


def test_every_tag_has_its_section():
    sections = {f"v{'.'.join(map(str, version))}" for version, _ in releases()}
    assert {tag for tag in git("tag", "--list", "v*") if re.fullmatch(r"v\d+\.\d+\.\d+", tag)} <= sections


def test_no_migration_of_a_release_is_changed():
    for tag in git("tag", "--list", "v*"):
        assert not changed_migrations(tag), tag
