"""One word for one thing: words that people read for something else before stand on no page, in no email and no doc."""

import re
from collections.abc import Iterator

import pytest

from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

# Words that were given up, each with the word that stands in their place.
GIVEN_UP = {
    r"[Ss]tops? working (on|by itself|soon|then)": "expires",
    r"(?<!of )(?<!of a )\b[Kk]eys? (that )?(ends?|ended|has ended|have ended)\b": "expires; an end is that of a pause",
    r"\bthe end of (the |an )?(expired )?(API )?key\b": "expiry",
    r"\b([Aa]nother|own) end\b(?! of)": "expiry, or the end of the pause",
    r"\bEnd (now|old key)\b": "Expire now…",
    r"\bExtend\b|\bextend(ed)? (it|a key)\b": "Change expiry…",
    r"\b(Change|Set an) end\b": "Change pause…",
    r"\bNew project\b": "Create project",
    r"\bRoll in 24 hours\b": "Roll now: the roll does not wait",
    r"\boperators of this server\b": "an administrator of this server",
    r"\bby address or name\b": "email",
}
DOCS = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *(REPOSITORY / "docs").glob("*.md")]


def read_by_people() -> Iterator[tuple[str, str]]:
    """The texts of templates, strings of the code and of scripts, and the docs, each with its file."""
    for template in (REPOSITORY / "templates").rglob("*.*"):
        text = re.sub(r"{% comment %}.*?{% endcomment %}|{#.*?#}", "", template.read_text(), flags=re.DOTALL)
        yield template.name, " ".join(re.sub(r"{%.*?%}|<[^>]*>", " ", text, flags=re.DOTALL).split())
    for floor in ("accounts", "apikeys", "projects", "common", "config"):
        for module in (REPOSITORY / floor).rglob("*.py"):
            code = re.sub(r'"""(.*?)"""|^\s*#.*?$', "", module.read_text(), flags=re.DOTALL | re.MULTILINE)
            yield module.name, " ".join(re.findall(r'"([^"\n]+)"', code))
    for script in (REPOSITORY / "static/js").glob("*.js"):
        yield script.name, " ".join(re.findall(r"[`'](.*?)[`']", script.read_text()))
    for path in DOCS:
        yield path.name, " ".join(path.read_text().split())


@pytest.mark.parametrize("words", GIVEN_UP)
def test_nobody_reads_a_word_that_was_given_up(words):
    found = {(file, match[0]) for file, text in read_by_people() for match in re.finditer(words, text)}
    assert found == set(), GIVEN_UP[words]


def test_an_apostrophe_is_straight_wherever_people_read():
    """Pages, emails, answers of the API, commands and docs say the same sentences, and some places have ASCII only."""
    assert sorted(file for file, text in read_by_people() if "\u2019" in text or "\u2018" in text) == []
