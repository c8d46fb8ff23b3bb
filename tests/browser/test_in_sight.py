"""What a person acts on stays in sight: neither the bar above nor the announcements below cover it."""

import pytest
from playwright.sync_api import expect

from tests.browser.places import button, create_key_in_dialog, many_keys, row, said, settings_page

PHONE = {"width": 360, "height": 740}
WRAPS = "checkout_service_eu_west_1_prod_two"


@pytest.fixture
def page(page, sign_in, owner, project):
    """The settings page on a phone, with so many keys that it is long."""
    many_keys(project, 9)
    sign_in(page, owner)
    page.set_viewport_size(PHONE)
    page.goto(settings_page(project))
    return page


def edges(page, place):
    """The upper and the lower edge, in the window."""
    box = place.bounding_box()
    return box["y"], box["y"] + box["height"]


def test_after_done_the_new_key_has_the_focus_in_sight(page):
    create_key_in_dialog(page, "Phone")
    said(page, "Created Phone.")
    page.get_by_role("link", name="Done").click()
    expect(row(page, "Phone")).to_be_focused()
    expect(row(page, "Phone").locator(".key-name")).to_be_in_viewport(ratio=1)
    top, bottom = edges(page, row(page, "Phone"))
    assert top >= edges(page, page.locator(".sidebar"))[1]
    assert bottom <= edges(page, page.locator("#announcements"))[0]


@pytest.mark.parametrize("name", ["Phone", WRAPS, "W" * 64])
def test_the_heading_of_a_new_key_is_below_the_bar_however_its_name_wraps(page, name):
    create_key_in_dialog(page, name)
    said(page, f"Created {name}.")
    assert edges(page, page.locator("#new-key .panel-head"))[0] >= edges(page, page.locator(".sidebar"))[1]
    if len(name) < 64:
        assert edges(page, page.get_by_role("link", name="Done"))[1] <= edges(page, page.locator("#announcements"))[0]


def test_an_announcement_takes_little_of_a_phone_and_is_unseen_behind_a_dialog(page, project):
    create_key_in_dialog(page, WRAPS)
    said(page, "Created")
    page.get_by_role("link", name="Done").click()
    expect(row(page, WRAPS)).to_be_focused()
    button(row(page, WRAPS), "Pause").click()
    said(page, "Paused")
    assert page.locator("#announcements").bounding_box()["height"] <= PHONE["height"] / 8
    assert edges(page, row(page, WRAPS))[1] <= edges(page, page.locator("#announcements"))[0]
    expect(page.locator("#announcements")).to_have_css("opacity", "1")
    button(page, "+ Create Key").click()
    expect(page.locator("#announcements")).to_have_css("opacity", "0")
