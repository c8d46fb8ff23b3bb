"""Numbers with their nouns."""

import pytest

from common.plurals import counted


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (0, "key", "0 keys"),
        (1, "address", "1 address"),
        (2, "address", "2 addresses"),
        (1204, "day", "1,204 days"),
        (1204, "", "1,204"),
    ],
)
def test_a_number_has_the_right_form_of_its_noun(number, noun, words):
    assert counted(number, noun) == words
