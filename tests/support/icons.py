"""`python -m tests.support.icons` draws static/icons.svg anew: the icons of the sidebar and of the badges of keys."""

import re

from django.conf import settings
from heroicons.templatetags.heroicons import heroicon_mini, heroicon_outline

SPRITE = settings.BASE_DIR / "static" / "icons.svg"
_STYLES = {"outline": heroicon_outline, "mini": heroicon_mini}
# An icon that a template of the sidebar names, or passes to its link.html.
_NAMED = re.compile(r'(?: icon=|sprite_icon "outline" )"([\w-]+)"')


def _symbol(style: str, name: str) -> str:
    drawn = _STYLES[style](name, size=None)
    drawn = re.sub(r'\s*\n\s*| aria-hidden="true"| (?=/>)', "", drawn)
    return drawn.replace("<svg", f'<symbol id="{style}-{name}"').replace("</svg>", "</symbol>")


def sprite() -> str:
    """The file as it should be."""
    from apikeys.standing import STANDINGS

    sidebar = "".join(path.read_text() for path in (settings.BASE_DIR / "templates" / "sidebar").glob("*.html"))
    icons = {("outline", name) for name in _NAMED.findall(sidebar)}
    icons |= {("mini", standing.icon) for standing in STANDINGS}
    symbols = "\n".join(_symbol(style, name) for style, name in sorted(icons))
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{symbols}\n</svg>\n'


if __name__ == "__main__":
    SPRITE.write_text(sprite())
