"""The icons that pages share as one file."""

from tests.support.icons import SPRITE, sprite


def test_the_file_of_icons_has_each_icon_of_the_sidebar_and_of_the_badges():
    assert SPRITE.read_text() == sprite(), "draw it anew: python -m tests.support.icons"
    assert {'id="outline-home"', 'id="mini-check-circle"'} <= set(SPRITE.read_text().replace(">", " ").split())
