"""A button that asks before it does anything ends in "…". A button that acts at once does not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "templates"
# docs/product.md names these labels without it: they open a dialog of their own name.
FIXED = {"Edit", "Delete", "+ Create Key"}
# Pages that ask whether to go on. A link to any other page, such as Create project, only leads there.
QUESTIONS = {
    "account_delete",
    "account_logout",
    "apikeys:delete",
    "apikeys:edit",
    "apikeys:end",
    "apikeys:hand_over",
    "apikeys:remove_member",
    "apikeys:roll",
    "mfa_deactivate_totp",
    "mfa_generate_recovery_codes",
    "mfa_remove_webauthn",
    "projects:delete",
    "projects:leave",
}
# In an attribute, a template tag or a string may hold a ">".
ELEMENT = re.compile(r'<(button|a)\b((?:{%.*?%}|{{.*?}}|"[^"]*"|[^>"])*)>(.*?)</\1>', re.DOTALL)
URL = re.compile(r"{% url [\"']([\w:]+)[\"'][^%]*? as (\w+) %}")
NAMED = re.compile(r"{% url [\"']([\w:]+)[\"']")


def elements() -> Iterator[tuple[str, str, str, str]]:
    """For each button and link of the templates with a label: its file, its tag, its attributes and its label."""
    for path in sorted(FOLDER.rglob("*.html")):
        text = re.sub(r"{% comment %}.*?{% endcomment %}|{#.*?#}", "", path.read_text(), flags=re.DOTALL)
        urls = {variable: f'{{% url "{name}" %}}' for name, variable in URL.findall(text)}
        for tag, attributes, inside in ELEMENT.findall(text):
            known = attributes
            for variable, url in urls.items():
                known = known.replace(f"{{{{ {variable} }}}}", url)
            for part in re.split(r"{%.*?%}|{{.*?}}|<[^>]*>", inside, flags=re.DOTALL):
                if label := " ".join(part.split()):
                    yield str(path.relative_to(FOLDER)), tag, known, label


def asks(tag: str, attributes: str) -> bool:
    """Whether it opens a dialog, or a page that asks whether to go on."""
    if any(part in attributes for part in ('form="open-key"', 'command="show-modal"', 'name="ask"')):
        return True
    return tag == "a" and not QUESTIONS.isdisjoint(NAMED.findall(attributes))


def test_the_templates_are_understood():
    found = {(label, asks(tag, attributes)) for _, tag, attributes, label in elements()}
    assert {("Roll…", True), ("Change pause…", True), ("Change expiry…", True), ("Remove…", True)} <= found
    assert ("Sign out…", True) in found
    assert {("Roll key", False), ("Keep paused", False), ("Pause", False), ("Create project", False)} <= found


@pytest.mark.parametrize("is_question", [True, False], ids=["asks", "acts at once"])
def test_a_label_ends_in_an_ellipsis_exactly_if_it_asks_first(is_question):
    wrong = {
        (file, label)
        for file, tag, attributes, label in elements()
        if asks(tag, attributes) == is_question
        and label.endswith("…") != is_question
        and label not in FIXED
        # A link within a sentence is no label.
        and not label[0].islower()
    }
    assert wrong == set()
