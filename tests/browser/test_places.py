"""The tests' own helpers wait for what a person would wait for."""

import pytest

from tests.browser.places import UNMET, said

SAY = "document.getElementById('announcements').innerHTML = '<div class=announcement><span>Saved.</span></div>'"


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["", "without script"])
def test_an_announcement_is_met_once_and_the_same_words_again_are_a_new_one(new_page, java_script_enabled):
    page = new_page(java_script_enabled=java_script_enabled)
    page.set_content('<div id="announcements"></div>')
    for _ in range(2):
        page.evaluate(SAY)
        assert page.locator(UNMET).count() == 1
        said(page, "Saved.")
        assert page.locator(UNMET).count() == 0
