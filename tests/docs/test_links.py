"""Links between the project's own pages lead to existing pages and headings."""

import re
from pathlib import Path

import pytest

from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes from the headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(REPOSITORY)) for page in PAGES])
def test_every_link_to_a_page_of_ours_leads_somewhere(page):
    for link in LINK.findall(without_code(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_list_of_pages_names_every_page():
    docs = REPOSITORY / "docs"
    rows = re.findall(r"^\| \[[\w.-]+\]\((.+?)\) \| \S", (docs / "README.md").read_text(), re.MULTILINE)
    pages = {page for page in PAGES if page.parent != docs / "decisions"} | {docs / "decisions" / "README.md"}
    unlisted = {docs / "README.md", REPOSITORY / "README.md"}
    assert sorted((docs / row).resolve() for row in rows) == sorted(pages - unlisted)
