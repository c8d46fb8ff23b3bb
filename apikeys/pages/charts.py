"""Stacked bars as the paths of an SVG that is stretched to any width. Pure functions: numbers in, text out.

Each series is one path, because two rectangles a day would make a year the heaviest part of the page. A slot is SLOT
units wide at any width of the chart. The height is in pixels, so that horizontal stripes stay sharp.
"""

from collections.abc import Sequence
from typing import NamedTuple

HEIGHT = 200
SLOT = 4
# With more slots, bars would be too narrow for gaps between them and for pointing at them.
MOST_APART = 60
# A single request among thousands is still visible: the bar is high enough for a whole stripe.
LEAST_HEIGHT = 4

# Maxima with a round half, in tenths of a power of ten.
_ROUND = (12, 16, 20, 30, 40, 50, 60, 80, 100)


class Label(NamedTuple):
    """Text under the slot that it names. `at` is a percentage; `minor` labels are hidden where there is little room."""

    at: str
    text: str
    minor: bool


class Slot(NamedTuple):
    """Where a slot begins, in units, and its tooltip."""

    x: int
    text: str


class Chart(NamedTuple):
    """`lower` and `upper` are paths; `scale` labels the top, the middle and the bottom line."""

    width: int
    height: int
    scale: tuple[str, str, str]
    lower: str
    upper: str


def round_maximum(most: int) -> int:
    """The smallest round number that is at least `most` and whose half is round too: 2, 4, 6, 8, 10, 12, 16, 20 …"""
    power = 1
    while True:
        for tenths in _ROUND:
            maximum, rest = divmod(tenths * power, 10)
            if not rest and maximum % 2 == 0 and maximum >= most:
                return maximum
        power *= 10


def short(number: int) -> str:
    """For the scale, whose numbers have at most two digits other than 0: 1200 is 1.2k, 25000000 is 25M."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (1000, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return str(number)


def stacked(lower: Sequence[int], upper: Sequence[int]) -> Chart:
    """Bars of `lower` with `upper` on top; both have the same number of values."""
    top = round_maximum(max((a + b for a, b in zip(lower, upper, strict=True)), default=0))
    gap = 1 if len(lower) <= MOST_APART else 0
    paths: tuple[list[str], list[str]] = ([], [])
    for number, values in enumerate(zip(lower, upper, strict=True)):
        # One request below a bar of full height is still visible.
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
