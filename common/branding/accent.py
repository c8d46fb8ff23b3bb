"""An accent for both themes, made from one colour of the operator's.

The accent is the background of buttons, and the colour of text and focus rings on the page. So its contrast with the
page decides (WCAG 2.2, 1.4.3): the colour gets darker in the light theme, and lighter in the dark theme, until it can
be read. It keeps its hue, and as much chroma as a screen can show (OKLab, https://bottosson.github.io/posts/oklab/).
"""

import re
from math import atan2, cos, hypot, sin
from typing import NamedTuple

READABLE = 4.5
# What text in the accent's colour stands on: --page, --surface and --sunken in static/css. Text on the accent has
# --on-accent, which is lighter than each of the light grounds, and darker than each of the dark ones.
GROUNDS = {"light": ("#f7f8fa", "#ffffff", "#f1f3f6"), "dark": ("#0e1116", "#151a21", "#1b212a")}

# --danger in static/css, the frame of a wrong field. A focus ring of a colour near to it would look like that frame.
_DANGER = {"light": "#b3211f", "dark": "#ff908a"}
_NEAR = 0.12  # a distance in OKLab, whose grey has 0 and whose strongest colours have about 0.3

_HEX = re.compile(r"#(?:[0-9A-Fa-f]{3}){1,2}")
# Each halving doubles the precision.
_HALVINGS = 8
_HOVER = 0.07
# Where a button under the pointer cannot be darker (or lighter) still, it is lighter (or darker).
_TURN, _BACK = 0.2, 0.12

Three = tuple[float, float, float]


class Accent(NamedTuple):
    """Colours as `#rrggbb`: in each theme the accent, and the accent under the pointer."""

    light: str
    dark: str
    light_hover: str
    dark_hover: str

    @property
    def stylesheet(self) -> str:
        """It replaces tokens of the product's own stylesheet."""
        rings = [
            "var(--text)" if _is_near(accent, _DANGER[theme]) else accent
            for theme, accent in (("light", self.light), ("dark", self.dark))
        ]
        return (
            "@layer tokens {\n  :root {\n"
            f"    --accent: light-dark({self.light}, {self.dark});\n"
            f"    --accent-hover: light-dark({self.light_hover}, {self.dark_hover});\n"
            f"    --focus: light-dark({rings[0]}, {rings[1]});\n"
            "    --chart: var(--accent);\n"
            "    --chart-soft: color-mix(in oklab, var(--accent) 45%, var(--surface));\n"
            "    --code-name: var(--accent);\n"
            "  }\n}\n"
        )


def is_colour(text: str) -> bool:
    """Whether `text` is a colour as CSS writes it with `#`: three or six hexadecimal digits."""
    return _HEX.fullmatch(text) is not None


def accent_of(colour: str) -> Accent:
    """Raises ValueError for a text that is no colour."""
    light, dark = _readable(colour, "light"), _readable(colour, "dark")
    return Accent(light, dark, _hovered(light, -1), _hovered(dark, 1))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2), from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _is_near(one: str, other: str) -> bool:
    """Whether two colours look alike except for their lightness."""
    (_, chroma, hue), (_, other_chroma, other_hue) = _oklch(_rgb(one)), _oklch(_rgb(other))
    a = chroma * cos(hue) - other_chroma * cos(other_hue)
    b = chroma * sin(hue) - other_chroma * sin(other_hue)
    return hypot(a, b) < _NEAR


def _readable(colour: str, theme: str) -> str:
    """The colour itself if it can be read in the theme, or the nearest darker (lighter) colour that can."""
    if _can_be_read(same := _hex(_rgb(colour)), theme):
        return same
    lightness, chroma, hue = _oklch(_rgb(colour))
    # Black can be read in the light theme, and white in the dark theme.
    unreadable, readable = lightness, 0.0 if theme == "light" else 1.0
    for _ in range(_HALVINGS):
        middle = (unreadable + readable) / 2
        if _can_be_read(_shown(middle, chroma, hue), theme):
            readable = middle
        else:
            unreadable = middle
    return _shown(readable, chroma, hue)


def _can_be_read(colour: str, theme: str) -> bool:
    return all(contrast(colour, ground) >= READABLE for ground in GROUNDS[theme])


def _hovered(colour: str, direction: int) -> str:
    """The colour under the pointer: a little farther from the page."""
    lightness, chroma, hue = _oklch(_rgb(colour))
    has_room = lightness > _TURN if direction < 0 else lightness < 1 - _HOVER
    return _shown(lightness + direction * (_HOVER if has_room else -_BACK), chroma, hue)


def _shown(lightness: float, chroma: float, hue: float) -> str:
    """The colour with as much of its chroma as sRGB has at this lightness."""
    least, most = 0.0, chroma
    if not _is_in_gamut(_from_oklch(lightness, chroma, hue)):
        for _ in range(12):
            middle = (least + most) / 2
            least, most = (middle, most) if _is_in_gamut(_from_oklch(lightness, middle, hue)) else (least, middle)
        chroma = least
    return _hex(_from_oklch(lightness, chroma, hue))


def _is_in_gamut(rgb: Three) -> bool:
    return all(-0.0001 <= part <= 1.0001 for part in rgb)


def _rgb(colour: str) -> Three:
    """Red, green and blue, each from 0 to 1."""
    if not is_colour(colour):
        raise ValueError(colour)
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


def _hex(rgb: Three) -> str:
    return "#" + "".join(f"{round(min(1.0, max(0.0, part)) * 255):02x}" for part in rgb)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _encoded(part: float) -> float:
    return part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055


def _luminance(colour: str) -> float:
    red, green, blue = map(_linear, _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _oklch(rgb: Three) -> Three:
    """Lightness, chroma and hue."""
    red, green, blue = map(_linear, rgb)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return lightness, hypot(a, b), atan2(b, a)


def _from_oklch(lightness: float, chroma: float, hue: float) -> Three:
    """Red, green and blue. A part below 0 or above 1 is outside of what a screen shows."""
    a, b = chroma * cos(hue), chroma * sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _encoded(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        _encoded(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        _encoded(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )
