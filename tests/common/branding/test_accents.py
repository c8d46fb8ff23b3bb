"""The accent that is made from the operator's colour can be read in both themes, whatever the colour."""

import colorsys
import re

import pytest

from common.branding.accent import GROUNDS, READABLE, accent_of, contrast, is_colour
from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

THEMES = ("light", "dark")
STYLES = (REPOSITORY / "static" / "css" / "main.css").read_text()


def token(name: str) -> dict[str, str]:
    """A colour of the product's stylesheet in each theme."""
    [(light, dark)] = re.findall(rf"--{name}: light-dark\((#\w+), (#\w+)\)", STYLES)
    return {"light": light, "dark": dark}


def as_hex(hue: float, lightness: float, saturation: float) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colorsys.hls_to_rgb(hue, lightness, saturation))


COLOURS = [
    *(
        as_hex(hue / 36, lightness / 10, saturation)
        for hue in range(36)
        for lightness in range(1, 10)
        for saturation in (1.0, 0.5)
    ),
    *("#000", "#fff", "#000000", "#ffffff", "#808080", "#010101", "#fefefe", "#FFD400"),
]


def test_the_grounds_are_those_of_the_stylesheet():
    for theme in THEMES:
        assert GROUNDS[theme] == tuple(token(name)[theme] for name in ("page", "surface", "sunken"))


def test_an_accent_of_any_hue_can_be_read_on_the_page_and_as_a_background_in_both_themes():
    """H6: for 36 hues, 4.5:1 for text in the accent, for text on it, and for text on it under the pointer."""
    assert len(COLOURS) > 600
    for colour in COLOURS:
        accent = accent_of(colour)
        for theme, shown, hovered in (
            ("light", accent.light, accent.light_hover),
            ("dark", accent.dark, accent.dark_hover),
        ):
            on_it = token("on-accent")[theme]
            ratios = [contrast(shown, ground) for ground in GROUNDS[theme]]
            ratios += [contrast(on_it, shown), contrast(on_it, hovered)]
            assert min(ratios) >= READABLE, (colour, theme, accent, ratios)
            assert shown != hovered, (colour, theme, accent)


def test_a_colour_that_can_be_read_stays_as_it_is():
    accent = accent_of("#6D28D9")
    assert accent.light == "#6d28d9"
    assert accent_of("#ffd400").dark == "#ffd400"
    assert accent_of("#fff").dark == "#ffffff"


def test_the_accent_keeps_its_hue():
    """Within 25 degrees of the colour wheel, as far as a colour is no grey."""
    for hue in range(0, 360, 15):
        wanted = as_hex(hue / 360, 0.5, 1)
        for shown in accent_of(wanted)[:2]:
            red, green, blue = (int(shown[at : at + 2], 16) / 255 for at in (1, 3, 5))
            away = abs(colorsys.rgb_to_hls(red, green, blue)[0] * 360 - hue)
            assert min(away, 360 - away) <= 25, (wanted, shown)


def test_contrast_is_that_of_wcag():
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#fff", "#fff") == 1


@pytest.mark.parametrize(
    "text", ["purple", "6d28d9", "#6d28d", "#6d28d9ff", "#12", "#ggg", "", "rgb(1 2 3)", "#6d28d9\n"]
)
def test_what_is_no_colour(text):
    assert not is_colour(text)
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        accent_of(text)
    assert str(refused.value) == text


def test_the_stylesheet_replaces_the_two_tokens_in_their_layer():
    styles = accent_of("#6d28d9").stylesheet
    assert re.findall(r"--([\w-]+):", styles) == ["accent", "accent-hover"]
    assert styles.startswith("@layer tokens {")
    assert "@layer reset, tokens," in STYLES
    for name in ("accent", "accent-hover"):
        assert token(name)
