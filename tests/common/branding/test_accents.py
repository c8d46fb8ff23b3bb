"""The accent that is made from the operator's colour can be read in both themes, whatever the colour."""

import colorsys
import re

import pytest

from common.branding.accent import _DANGER, GROUNDS, READABLE, _is_near, accent_of, contrast, is_colour
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


def test_the_stylesheet_replaces_tokens_of_the_products_stylesheet_in_their_layer():
    """Also the colours of bars, of their legend and of names in snippets, but none that forced colours choose."""
    styles = accent_of("#6d28d9").stylesheet
    replaced = re.findall(r"--([\w-]+): ", styles)
    assert replaced == ["accent", "accent-hover", "focus", "chart", "chart-soft", "code-name"]
    assert styles.startswith("@layer tokens {")
    assert "@layer reset, tokens," in STYLES
    [forced] = re.findall(r"@media \(forced-colors: active\) \{\s*:root \{(.*?)\}", STYLES)
    for name in replaced:
        assert f"    --{name}: " in STYLES
        assert f"--{name}:" not in forced
    assert "--chart-allowed: var(--chart);" in STYLES
    assert "--chart-old: var(--chart-soft);" in STYLES


def rings_of(colour):
    """The colour of the focus ring in each theme."""
    [(light, dark)] = re.findall(r"--focus: light-dark\((.+?), (.+?)\);\n", accent_of(colour).stylesheet)
    return {"light": light, "dark": dark}


def test_a_focus_ring_never_looks_like_the_frame_of_a_wrong_field():
    """Red, orange and pink accents have a ring in the colour of text. Others keep their own."""
    for theme in THEMES:
        assert _DANGER[theme] == token("danger")[theme]
        for colour in ("#ea580c", "#dc2626", "#f97316", _DANGER[theme]):
            assert rings_of(colour)[theme] == "var(--text)", colour
    for colour in ("#6d28d9", "#1a5fd0", "#15803d", "#808080"):
        assert rings_of(colour) == dict(zip(THEMES, accent_of(colour)[:2], strict=True))
    for colour in COLOURS:
        for theme, ring in rings_of(colour).items():
            assert ring == "var(--text)" or not _is_near(ring, _DANGER[theme]), colour
