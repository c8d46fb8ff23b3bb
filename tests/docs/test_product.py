"""docs/product.md has every requirement that tests cite, and tests cite each requirement."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

PAGE = (REPOSITORY / "docs" / "product.md").read_text()
REQUIREMENTS = re.findall(r"^\| (P\d+) \| (.+) \|$", PAGE, re.MULTILINE)
NAMES = [name for name, _ in REQUIREMENTS]


def docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            yield ast.get_docstring(node) or ""


def cited(folder: str) -> set[str]:
    files = [path for path in (REPOSITORY / folder).rglob("test_*.py") if re.search(r"\bP\d+\b", path.read_text())]
    texts = (text for path in files if path != Path(__file__) for text in docstrings(path))
    return {name for text in texts for name in re.findall(r"\bP\d+\b", text)}


def test_the_requirements_are_numbered():
    assert [f"P{number}" for number in range(1, len(NAMES) + 1)] == NAMES
    assert len(NAMES) >= 13


def test_every_requirement_that_tests_cite_is_on_the_page():
    assert cited("tests") <= set(NAMES)


def test_a_test_in_a_browser_cites_each_requirement():
    assert set(NAMES) <= cited("tests/browser")


def test_the_bold_words_are_labels_of_pages():
    pages = "\n".join(path.read_text() for path in (REPOSITORY / "templates").rglob("*.html"))
    labels = {label for _, text in REQUIREMENTS for label in re.findall(r"\*\*(.+?)\*\*", text)}
    assert not {label for label in labels if not re.search(rf"(?<![\w]){re.escape(label)}(?!\w)", pages)}


def test_the_readme_says_what_is_missing_as_long_as_it_is():
    """Scopes, rate limits, expiry and more are requirements from P14 on."""
    assert (len(NAMES) == 13) == ("Latchkey has no scopes" in (REPOSITORY / "README.md").read_text())
