"""Rules for the text of the templates of keys."""

import re

import pytest
from django.conf import settings

TEMPLATES = sorted((settings.BASE_DIR / "templates" / "apikeys").glob("*.html"))
# htmx reads a line break as part of a selector.
BROKEN_ATTRIBUTE = re.compile(r'hx-[\w-]+="[^"\n]*\n')


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_line_is_too_long_and_no_attribute_of_htmx_is_broken(template):
    content = template.read_text()
    if template.name not in {"help.html", "usage.html"}:
        assert max(map(len, content.splitlines()), default=0) <= 120
    assert not BROKEN_ATTRIBUTE.search(content)
