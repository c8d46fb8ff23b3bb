"""Commands, targets, promises and settings on the pages exist."""

import re

import pytest
from django.core.management import get_commands

from tests.docs.test_links import PAGES
from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

MAKEFILE = (REPOSITORY / "Makefile").read_text()
PROMISES = set(re.findall(r"^\| (T\d+) \|", (REPOSITORY / "docs" / "security.md").read_text(), re.MULTILINE))
IDS = [str(page.relative_to(REPOSITORY)) for page in PAGES]


def code_in(text: str) -> str:
    """Blocks and spans of code."""
    return "\n".join(re.findall(r"(?s:```.*?```)|`[^`\n]+`|^    .*$", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_targets_of_make_exist(page):
    targets = set(re.findall(r"\bmake ([a-z][a-z-]*)", code_in(page.read_text())))
    assert not {target for target in targets if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)}


# Decision records are left out, because they also name commands of other programs.
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.parent.name != "decisions"], ids=lambda page: page.name
)
def test_commands_exist(page):
    named = set(re.findall(r"\bmanage\.py ([a-z_]+)", page.read_text()))
    assert named <= set(get_commands())


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_promises_that_a_page_cites_are_in_the_table(page):
    assert set(re.findall(r"\bT\d\d?\b", page.read_text())) <= PROMISES
