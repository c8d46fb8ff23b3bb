"""Arrows run one way: apikeys → projects → accounts → common; config knows all four, and nobody imports config."""

import ast
from pathlib import Path

import pytest

from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

MAY_IMPORT = {
    "common": {"common"},
    "accounts": {"accounts", "common"},
    "projects": {"projects", "accounts", "common"},
    "apikeys": {"apikeys", "projects", "accounts", "common"},
    "config": {"config", "apikeys", "projects", "accounts", "common"},
}
OURS = {*MAY_IMPORT, "tests", "bench"}


def imported_packages(path: Path, package: str) -> set[str]:
    """The top-level packages that a file imports, wherever in it; a relative import is its own package's."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(package if node.level else (node.module or "").partition(".")[0])
    return found


FILES = [(package, path) for package in MAY_IMPORT for path in sorted((REPOSITORY / package).rglob("*.py"))]


@pytest.mark.parametrize(("package", "path"), FILES, ids=[str(path.relative_to(REPOSITORY)) for _, path in FILES])
def test_imports_run_one_way(package, path):
    assert imported_packages(path, package) & OURS <= MAY_IMPORT[package]


def test_the_secrets_format_knows_nothing_of_django():
    path = REPOSITORY / "apikeys" / "secrets" / "secret_format.py"
    assert "django" not in imported_packages(path, "apikeys")
