"""The labels that the help page and the docs name are on pages."""

import re

import pytest

from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

HELP = REPOSITORY / "templates/apikeys/help.html"
OF_OPERATORS = ["running", "settings", "containers", "systemd", "monitoring", "high-availability", "upgrading"]
DOCS = ["docs/product.md", *(f"docs/{name}.md" for name in OF_OPERATORS), "docs/commands.md", "CHANGELOG.md"]
# An icon, which has a name of its own.
DRAWN = {"⋯"}
# A label begins with a capital letter or a plus, and is no sentence.
LABEL = re.compile(r"[A-Z+]\S*( \S+){0,4}(?<!\.)")
ADMIN = {"Emails"}  # Django makes this of a model's name


def folded(text: str) -> str:
    return " ".join(text.split())


def shown() -> set[str]:
    """The texts between the tags of all templates but the help page, and the strings of the code."""
    found: set[str] = set()
    for template in (REPOSITORY / "templates").rglob("*.html"):
        if template != HELP:
            text = re.sub(r"{% comment %}.*?{% endcomment %}", "", template.read_text(), flags=re.DOTALL)
            found.update(map(folded, re.split(r"{%.*?%}|{{.*?}}|<[^>]*>", text, flags=re.DOTALL)))
    for floor in ("accounts", "apikeys", "projects", "common", "config"):
        for module in (REPOSITORY / floor).rglob("*.py"):
            found.update(re.findall(r'"([^"\n]+)"', module.read_text()))
    return found


def test_every_label_that_the_help_page_names_is_on_a_page():
    """P13"""
    named = {folded(label) for label in re.findall(r"<strong>(.*?)</strong>", HELP.read_text(), re.DOTALL)}
    assert {"Roll…", "+ 24 hours", "Keep paused", "Expire now…"} <= named
    assert named - DRAWN - shown() == set()


def test_every_label_that_the_docs_name_is_on_a_page():
    texts = [(REPOSITORY / path).read_text() for path in DOCS]
    bold = {folded(label) for text in texts for label in re.findall(r"\*\*(.+?)\*\*", text)}
    named = {label for label in bold if LABEL.fullmatch(label)}
    assert "Used from" in named
    assert named - ADMIN - shown() == set()
