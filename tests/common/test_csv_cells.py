"""Texts of people in CSV files, as spreadsheets read them."""

import csv
import itertools
from io import StringIO

import pytest

from common.answers.csv_files import as_text


def cells(text: str, separator: str) -> list[str]:
    """What a program that separates cells by `separator` reads in a row with the text."""
    file = StringIO(newline="")
    csv.writer(file).writerow(["2026-01-31", as_text(text), "end"])
    rows = csv.reader(file.getvalue().splitlines(keepends=True), delimiter=separator)
    return [cell for row in rows for cell in row]


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"], ids=ascii)
def test_no_cell_is_a_formula_whichever_separator_a_program_uses(separator):
    """T26: each text of four characters, among them separators, quotes and blanks. Programs may drop the last two."""
    for characters in itertools.product('a=", ' + separator, repeat=4):
        text = "".join(characters)
        assert not [cell for cell in cells(text, separator) if cell.lstrip('" \t').startswith("=")], text


@pytest.mark.parametrize(
    "text", ['a;"=1+1;b', "a; =1", 'a;"=2+2', "a;;=7", "+1", "-1", "@x", "＝1", "\t=1", "\r1", '"=1']
)
def test_a_text_that_could_be_a_formula_is_marked_as_text(text):
    assert as_text(text) != text
    assert as_text(text).replace("'", "") == text


@pytest.mark.parametrize("text", ["Production server", 'The "old" one; still used', "a-b, c=d", "grace+x@example.com"])
def test_other_texts_stay_as_they_are(text):
    assert as_text(text) == text
