"""Numbers and paths of the bars, without a page."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apikeys.pages.charts import HEIGHT, LEAST_HEIGHT, SLOT, round_maximum, short, stacked
from apikeys.pages.usage_charts import share

pytestmark = pytest.mark.nodb
COUNTS = st.integers(min_value=0, max_value=10**15)


@given(COUNTS)
def test_the_scale_ends_at_a_round_number_just_above_the_highest_bar(most):
    top = round_maximum(most)
    assert most <= top
    assert top == 2 or top / 2 < most + 1 <= top + 1 or most == 0
    for line in (top, top // 2):
        assert len(str(line).rstrip("0")) <= 2
    assert top % 2 == 0


@given(COUNTS, COUNTS)
def test_a_higher_bar_never_has_a_lower_scale(one, other):
    assert round_maximum(min(one, other)) <= round_maximum(max(one, other))


@pytest.mark.parametrize(("most", "top"), [(0, 2), (1, 2), (3, 4), (10, 10), (11, 12), (2_430, 3_000), (99, 100)])
def test_the_scale_of_some_bars(most, top):
    assert round_maximum(most) == top


@given(COUNTS)
def test_the_scale_is_written_in_at_most_five_characters_up_to_quadrillions(most):
    top = round_maximum(most)
    for line in (top, top // 2):
        assert re.fullmatch(r"\d{1,4}(\.\d)?[kMBT]?", short(line))
        assert len(short(line)) <= 5


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (600, "600"), (1_200, "1.2k"), (25_000_000, "25M")])
def test_numbers_of_the_scale_are_short(number, text):
    assert short(number) == text


def heights(path: str) -> dict[int, int]:
    """Each bar's height by its slot."""
    return {int(x) // SLOT: int(height) for x, height in re.findall(r"M(\d+) \d+v-(\d+)", path)}


@given(st.lists(st.tuples(COUNTS, COUNTS), max_size=400))
@example([(1, 49_875_000)])
def test_bars_stay_within_the_chart_and_every_call_is_seen(values):
    chart = stacked([lower for lower, _ in values], [upper for _, upper in values])
    lower, upper = heights(chart.lower), heights(chart.upper)
    for slot, (below, above) in enumerate(values):
        assert (slot in lower, slot in upper) == (below > 0, above > 0)
        assert lower.get(slot, 0) + upper.get(slot, 0) <= HEIGHT
        assert upper.get(slot, LEAST_HEIGHT) >= LEAST_HEIGHT
    assert chart.width == len(values) * SLOT


def test_one_bar_stands_on_the_other():
    chart = stacked([60, 0], [40, 100])
    assert chart.scale == ("100", "50", "0")
    assert chart.lower == "M0 200v-120h3v120z"
    assert chart.upper == "M0 80v-80h3v80zM4 200v-200h3v200z"


def test_a_year_of_bars_is_light():
    chart = stacked([100_000 + day for day in range(365)], list(range(365)))
    assert len(chart.lower + chart.upper) < 20_000


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "0%"), (1, 2, "50%"), (1, 3, "33.3%"), (1, 10_000, "less than 0.1%"), (9_999, 10_000, "more than 99.9%")],
)
def test_shares_are_said_in_words_where_digits_would_lie(part, whole, text):
    assert share(part, whole) == text
