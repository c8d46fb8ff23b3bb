"""The list of a project's keys: rows, pages and search."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.secrets import secret_format
from tests.browser.places import (
    button,
    create_key_in_dialog,
    dashboard,
    many_keys,
    names,
    open_deletion,
    row,
    settings_page,
    settled,
    used,
)


def test_a_row_says_name_mask_and_that_the_key_was_never_used_and_its_tooltip_the_creator(on_settings, api_key, owner):
    line = row(on_settings, "Production server")
    for text in ("Production server", api_key.mask, "Never used", "0 today"):
        expect(line).to_contain_text(text)
    assert line.locator(".key-name").get_attribute("title").endswith(f"by {owner.email}")


def test_last_use_is_said_in_words_with_the_exact_time_on_hover(page, sign_in, owner, project, api_key):
    used(api_key, timedelta(hours=3))
    sign_in(page, owner)
    page.goto(settings_page(project))
    last = row(page, "Production server").locator("time", has_text="3 h ago")
    expect(last).to_be_visible()
    # The time is in the reader's time zone. Chromium uses the machine's.
    assert re.search(r"\d{4}, \d\d:\d\d:\d\d \S+", last.get_attribute("title"))
    expect(row(page, "Production server")).not_to_contain_text("Never used")


def test_without_keys_the_section_says_the_consequence_and_offers_the_button(page, sign_in, owner, project, api_key):
    delete_key(key=api_key, by=owner)
    sign_in(page, owner)
    page.goto(settings_page(project))
    section = page.get_by_role("region", name="API Keys")
    expect(section).to_contain_text("Requests to the API will be rejected until you create one")
    expect(button(section, "+ Create Key")).to_be_visible()
    create_key_in_dialog(page, "The next one")
    assert names(page) == ["The next one"]


def test_one_key_needs_no_search_and_no_pages(on_settings):
    assert names(on_settings) == ["Production server"]
    expect(on_settings.get_by_role("searchbox")).to_have_count(0)
    expect(on_settings.get_by_role("navigation", name="Pages")).to_have_count(0)


def test_at_the_limit_the_section_says_so_in_words(page, sign_in, owner, project):
    many_keys(project, 100)
    sign_in(page, owner)
    page.goto(settings_page(project))
    expect(page.get_by_text("has reached its limit of 100 keys")).to_be_visible()
    expect(button(page, "+ Create Key")).to_have_count(0)


def test_a_viewer_sees_why_keys_cannot_be_managed(page, sign_in, viewer, project, api_key):
    sign_in(page, viewer)
    page.goto(settings_page(project))
    who = "Only owners and developers of the project"
    expect(page.get_by_text(f"{who} can create, edit, pause, re-enable, roll and delete keys.")).to_be_visible()
    expect(page.get_by_text("Only owners of the project can rename and delete the project")).to_be_visible()
    expect(page.locator(".switch")).to_have_count(0)
    expect(button(page, "Copy Production server")).to_have_count(0)
    page.goto(dashboard(project))
    expect(page.get_by_text(f"{who} can copy and reveal secrets.")).to_be_visible()


@pytest.fixture
def thousand(page, sign_in, owner, project):
    """The settings page of a project with 1,000 keys. Three names contain "needle", and one key is paused."""
    many_keys(project, 996)
    keys = [create_key(project=project, name=f"Needle {number}", by=owner).key for number in (1, 2, 3)]
    pause_key(key=keys[1], by=owner)
    gone = create_key(project=project, name="Gone needle", by=owner).key
    delete_key(key=gone, by=owner)
    sign_in(page, owner)
    page.goto(settings_page(project))
    return page


@pytest.fixture(autouse=True)
def no_limit(settings):
    """Services in the test process have no limit. The server keeps its limit."""
    settings.MAX_KEYS_PER_PROJECT = settings.MAX_NEW_KEYS_PER_DAY = 2000


def test_a_thousand_keys_come_in_pages(thousand):
    pager = thousand.get_by_role("navigation", name="Pages")
    expect(pager).to_contain_text("Page 1 of 100")
    assert len(names(thousand)) == 10
    first = names(thousand)
    pager.get_by_role("link", name="Next").click()
    expect(pager).to_contain_text("Page 2 of 100")
    settled(thousand)
    assert not set(first) & set(names(thousand))
    expect(thousand).to_have_url(re.compile(r"page=2#api-keys$"))
    pager.get_by_role("link", name="Previous").click()
    expect(pager).to_contain_text("Page 1 of 100")
    assert names(thousand) == first


def test_a_thousand_keys_are_searched_by_name_and_mask(thousand, project):
    search = thousand.get_by_role("searchbox", name="Search keys")
    search.fill("needle")
    search.press("Enter")
    expect(thousand.locator(".key-row")).to_have_count(3)
    settled(thousand)
    assert names(thousand) == ["Needle 3", "Needle 2", "Needle 1"]
    expect(thousand).to_have_url(re.compile(r"q=needle"))
    expect(search).to_have_value("needle")
    mask = project.api_keys.get(name="Needle 1").mask
    search.fill(mask)
    search.press("Enter")
    expect(thousand.locator(".key-row")).to_have_count(1)
    settled(thousand)
    assert names(thousand) == ["Needle 1"]
    search.fill("nothing is called this")
    search.press("Enter")
    expect(thousand.get_by_text("No key matches “nothing is called this”.")).to_be_visible()
    thousand.get_by_role("link", name="Show all keys").click()
    expect(thousand.locator(".key-row")).to_have_count(10)


@pytest.mark.parametrize("around", ["{}", " {}\n", "LATCHKEY_API_KEY={}", "Authorization: Bearer {}"])
def test_a_secret_that_is_searched_for_stays_out_of_the_address(page, sign_in, owner, project, around):
    """T30"""
    many_keys(project, 12)
    sign_in(page, owner)
    page.goto(settings_page(project))
    secret = secret_format.generate("lk_")
    search = page.get_by_role("searchbox", name="Search keys")
    search.fill(around.format(secret))
    expect(search).to_have_value(secret[:7])
    search.press("Enter")
    expect(page).to_have_url(re.compile(f"q={secret[:7]}&"))


def test_a_thousand_keys_are_filtered_by_state(thousand):
    state = thousand.get_by_role("combobox", name="Status")
    state.select_option("Paused")
    expect(thousand.locator(".key-row")).to_have_count(1)
    settled(thousand)
    assert names(thousand) == ["Needle 2"]
    state.select_option("Deleted")
    expect(thousand.locator(".key-name")).to_have_text(["Gone needle"])
    expect(row(thousand, "Gone needle").get_by_role("button")).to_have_count(0)


def test_a_search_stays_after_an_action_and_after_reloading(thousand):
    search = thousand.get_by_role("searchbox", name="Search keys")
    search.fill("needle")
    search.press("Enter")
    expect(thousand.locator(".key-row")).to_have_count(3)
    settled(thousand)
    open_deletion(thousand, "Needle 1")
    button(thousand.get_by_role("dialog"), "Delete key").click()
    expect(thousand.locator(".key-row")).to_have_count(2)
    assert names(thousand) == ["Needle 3", "Needle 2"]
    thousand.reload()
    assert names(thousand) == ["Needle 3", "Needle 2"]
    thousand.go_back()
    expect(thousand.get_by_role("navigation", name="Pages")).to_contain_text("Page 1 of 100")
