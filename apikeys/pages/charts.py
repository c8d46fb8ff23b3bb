"""Stacked bars as the paths of an SVG that is stretched to any width. Pure functions: numbers in, text out.

One path a series, for two rectangles a day would make a year of them heavier than all else on the page. A slot
is SLOT units wide however wide the chart is shown, and the height is in pixels: stripes that lie stay sharp.
"""

from collections.abc import Sequence
from typing import NamedTuple

HEIGHT = 200
SLOT = 4
# Bars of more slots than this would be too narrow for gaps between them, and for being pointed at.
MOST_APART = 60
# A single call among thousands is still seen: so high that a whole stripe is part of it.
LEAST_HEIGHT = 4

# Maxima that have a round half, in tenths of a power of ten.
_ROUND = (12, 16, 20, 30, 40, 50, 60, 80, 100)


class Label(NamedTuple):
    """Text under the slot that it names. `at` is a percentage; `minor` ones go where there is no room."""

    at: str
    text: str
    minor: bool


class Slot(NamedTuple):
    """Where a slot begins, in units, and what pointing at it says."""

    x: int
    text: str


class Chart(NamedTuple):
    """`lower` and `upper` are paths; `scale` is what stands beside the top, the middle and the bottom line."""

    width: int
    height: int
    scale: tuple[str, str, str]
    lower: str
    upper: str


def round_maximum(most: int) -> int:
    """The smallest round number that is not below `most` and whose half is round too: 2, 4, 6, 8, 10, 12, 16, 20 …"""
    power = 1
    while True:
        for tenths in _ROUND:
            maximum, rest = divmod(tenths * power, 10)
            if not rest and maximum % 2 == 0 and maximum >= most:
                return maximum
        power *= 10


def short(number: int) -> str:
    """For the scale, whose numbers have two digits that are not 0: 1200 is 1.2k, 25000000 is 25M."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (1000, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return str(number)


def stacked(lower: Sequence[int], upper: Sequence[int]) -> Chart:
    """Bars of `lower`, and of `upper` on top of them; as many of the one as of the other."""
    top = round_maximum(max((a + b for a, b in zip(lower, upper, strict=True)), default=0))
    gap = 1 if len(lower) <= MOST_APART else 0
    paths: tuple[list[str], list[str]] = ([], [])
    for number, values in enumerate(zip(lower, upper, strict=True)):
        # One call below a bar as high as the chart is still seen.
        above = min(_height(values[1], top), HEIGHT - (LEAST_HEIGHT if values[0] else 0))
        heights = min(_height(values[0], top), HEIGHT - above), above
        foot = HEIGHT
        for path, height in zip(paths, heights, strict=True):
            if height:
                path.append(f"M{number * SLOT} {foot}v-{height}h{SLOT - gap}v{height}z")
            foot -= height
    scale = (short(top), short(top // 2), "0")
    return Chart(len(lower) * SLOT, HEIGHT, scale, *("".join(path) for path in paths))


def _height(value: int, top: int) -> int:
    return max(LEAST_HEIGHT, round(value * HEIGHT / top)) if value else 0


def label(slot: int, slots: int, text: str, *, minor: bool) -> Label:
    return Label(f"{slot * 100 / slots:.2f}%", text, minor)
