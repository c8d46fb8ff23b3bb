"""Whole numbers that people, programs and the environment write."""

import pytest

from common.whole_numbers import read_whole
from projects.forms import ListForm

NONE = ["", " 5", "5 ", "+5", "-5", "1_0", "1,000", "1.0", "1e2", "0x5", "٥", "５", "²", "five", "9" * 10_000]

pytestmark = pytest.mark.nodb


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("1000", 1000), ("1001", None)])
def test_digits_are_a_number_up_to_the_most(text, number):
    assert read_whole(text, 1000) == number


@pytest.mark.parametrize("text", NONE)
def test_what_int_takes_besides_digits_is_no_number(text):
    assert read_whole(text, 1000) is None


@pytest.mark.parametrize("text", [text for text in NONE if text.strip()])
def test_a_page_of_a_list_is_named_by_digits(text):
    assert not ListForm({"page": text}).is_valid()
    assert ListForm({"page": "12"}).is_valid()
