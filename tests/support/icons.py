"""`python -m tests.support.icons` draws static/icons.svg anew.

The file has the icons of the sidebar, of the badges of keys, and of each `sprite_icon` and `sprite_use` with a name
in a template.
"""

import re

from django.conf import settings
from heroicons.templatetags.heroicons import heroicon_mini, heroicon_outline

SPRITE = settings.BASE_DIR / "static" / "icons.svg"
_STYLES = {"outline": heroicon_outline, "mini": heroicon_mini}
_NAMED = re.compile(r'sprite_(?:icon|use) "(\w+)" "([\w-]+)"')
_LINK = re.compile(r' icon="([\w-]+)"')  # what a template of the sidebar passes to its link.html


def _symbol(style: str, name: str) -> str:
    drawn = _STYLES[style](name, size=None)
    drawn = re.sub(r'\s*\n\s*| aria-hidden="true"| (?=/>)', "", drawn)
    return drawn.replace("<svg", f'<symbol id="{style}-{name}"').replace("</svg>", "</symbol>")


def sprite() -> str:
    """The file as it should be."""
    from apikeys.standing import STANDINGS

    templates = settings.BASE_DIR / "templates"
    icons = {icon for path in templates.rglob("*.html") for icon in _NAMED.findall(path.read_text())}
    sidebar = "".join(path.read_text() for path in (templates / "sidebar").glob("*.html"))
    icons |= {("outline", name) for name in _LINK.findall(sidebar)}
    icons |= {("mini", standing.icon) for standing in STANDINGS}
    symbols = "\n".join(_symbol(style, name) for style, name in sorted(icons))
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{symbols}\n</svg>\n'


if __name__ == "__main__":
    SPRITE.write_text(sprite())
