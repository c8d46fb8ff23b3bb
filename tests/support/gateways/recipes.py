"""The recipes of docs/gateways.md, and proxies that have them all in their files."""

import re
import textwrap
from functools import partial

from tests.support.environment import REPOSITORY
from tests.support.gateways.proxies import Gateway

# The site that the recipe for CORS allows.
SITE = "https://app.example.com"
BLOCK = re.compile(r"^```(\w+)\n# Before: ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPES = (REPOSITORY / "docs" / "gateways.md").read_text().partition("## Recipes")[2].partition("\n## ")[0]


def changes_of(program: str) -> dict[str, str]:
    """The lines in the page's recipe, by the line that they go before."""
    found: dict[str, str] = {}
    for proxy, line, block in BLOCK.findall(RECIPES):
        if proxy == program:
            found[line] = found.get(line, "") + block
    return found


def before(block: str, line: re.Match[str]) -> str:
    return textwrap.indent(block, line[1]) + line[0]


def with_recipes(kind: type[Gateway]) -> type[Gateway]:
    """The proxy with its recipes, after a check that each line that a block names exists."""

    class WithRecipes(kind):  # type: ignore[misc, valid-type]
        def fitted(self, text: str) -> str:
            for line, block in changes_of(self.program).items():
                places = re.compile(rf"^([ \t]*){re.escape(line)}$", re.MULTILINE)
                assert places.search(text) or "core.register_action" in text, line
                text = places.sub(partial(before, block), text)
            return super().fitted(text)

    return WithRecipes
