"""The focus stays where a person works: on the control that was pressed, or on the field that is wrong."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.places import button, key_page, many_calls, said, settings_page, usage_page


@pytest.fixture
def inside(page, sign_in, owner, project, api_key):
    """A page of a project whose key is in use, seen by its owner."""
    many_calls(api_key, hours=2)
    sign_in(page, owner)
    return page


def press(control):
    control.focus()
    control.press("Enter")


def test_an_empty_name_is_answered_in_our_words_beside_the_field(inside, project, complaints):
    """The browser does not put its own words in their place."""
    inside.goto(settings_page(project))
    button(inside, "+ Create Key").click()
    for place, label, send in (
        (inside.get_by_role("dialog"), "Name", "Create key"),
        (inside.get_by_role("main"), "Project name", "Rename"),
    ):
        field = place.get_by_label(label, exact=True)
        field.fill("")
        button(place, send).click()
        expect(field).to_have_accessible_description(re.compile(r"Enter a name\."))
        expect(field).to_be_focused()
        inside.keyboard.press("Escape")
    complaints.clear()


# The sides on which a place that scrolls or hides what overflows cuts the ring of the focused element.
CUT = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const reach = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
  const cut = [];
  for (let place = one.parentElement; place && place !== document.body; place = place.parentElement) {
    if (getComputedStyle(place).overflowX === "visible") continue;
    const edge = place.getBoundingClientRect();
    if (box.left - reach < edge.left) cut.push("left");
    if (box.right + reach > edge.right) cut.push("right");
    if (box.top - reach < edge.top) cut.push("top");
    if (box.bottom + reach > edge.bottom) cut.push("bottom");
  }
  return [one.textContent.trim(), style.outlineStyle, cut];
}"""


def choose_range(page):
    """The last of the ranges, by the keyboard; the one before is a step back."""
    ranges = page.get_by_role("navigation", name="Range")
    press(ranges.get_by_role("link", name="12 months"))
    expect(ranges.locator("[aria-current=page]")).to_have_text("12 months")
    expect(ranges.locator("[aria-current=page]")).to_be_focused()
    assert page.url.endswith("?range=12m")


def test_on_a_keys_own_page_every_control_keeps_the_focus(inside, project, api_key):
    inside.goto(key_page(api_key, "key"))
    inside.evaluate("window.isSamePage = true")
    for pressed, then, text in (("Pause", "Re-enable", "Paused"), ("Re-enable", "Pause", "Re-enabled")):
        press(button(inside, pressed))
        said(inside, f"{text} Production server.")
        expect(button(inside, then)).to_be_focused()
    press(button(inside, "Pause"))
    said(inside, "Paused Production server.")
    inside.keyboard.press("Tab")
    expect(button(inside, "Undo")).to_be_focused()
    inside.keyboard.press("Enter")
    expect(button(inside, "Pause")).to_be_focused()
    press(button(inside, "Edit"))
    dialog = inside.get_by_role("dialog", name="Edit")
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill("Web server")
    inside.keyboard.press("Enter")
    expect(inside.get_by_role("heading", level=1)).to_have_text("Web server")
    expect(dialog).to_be_hidden()
    expect(button(inside, "Edit")).to_be_focused()
    choose_range(inside)
    assert inside.evaluate("window.isSamePage")
    inside.go_back()
    expect(inside.get_by_role("navigation", name="Range").locator("[aria-current=page]")).to_have_text("30 days")


def test_on_usage_and_settings_every_control_keeps_the_focus(inside, project):
    inside.goto(usage_page(project))
    choose_range(inside)
    inside.goto(settings_page(project))
    name = inside.get_by_label("Project name")
    name.fill("Acme Tides")
    press(button(inside, "Rename"))
    said(inside, "Renamed the project to Acme Tides.")
    expect(button(inside, "Rename")).to_be_focused()
    expect(inside.locator(".switcher summary")).to_have_text("Acme Tides")
    expect(inside).to_have_title("Settings · Acme Tides · Latchkey")
    name.fill("a\u202eb")
    name.press("Enter")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_be_focused()
    press(button(inside, "Save"))
    said(inside, "Notification settings saved.")
    expect(button(inside, "Save")).to_be_focused()


def test_on_the_pages_of_the_account_every_control_keeps_the_focus(inside):
    inside.goto("/accounts/email/")
    email = inside.get_by_label("New email")
    email.fill("owner@example.com")
    email.press("Enter")
    expect(email).to_have_attribute("aria-invalid", "true")
    expect(email).to_be_focused()
    email.fill("new@example.com")
    press(button(inside, "Change email"))
    expect(inside.get_by_text("You are changing to new@example.com.")).to_be_visible()
    expect(button(inside, "Change email")).to_be_focused()
    press(button(inside, "Cancel the change"))
    expect(inside.get_by_text("You are changing to")).to_have_count(0)
    expect(inside.get_by_role("main")).to_be_focused()


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_the_ring_of_each_control_of_the_sidebar_is_whole(new_page, sign_in, owner, project, color_scheme):
    """The sidebar scrolls, and its project switcher spans all of its width."""
    page = new_page(color_scheme=color_scheme)
    sign_in(page, owner)
    page.goto(usage_page(project))
    page.locator(".brand").focus()
    page.keyboard.press("Tab")
    expect(page.locator(".switcher summary")).to_be_focused()
    page.keyboard.press("Enter")
    seen = []
    while not seen or not seen[-1][0].startswith("Sign out"):
        seen.append(page.evaluate(CUT))
        page.keyboard.press("Tab")
    assert {"Acme Weather", "All projects", "Create project", "Dashboard", "Help"} <= {name for name, *_ in seen}
    assert [name for name, style, cut in seen if cut or style == "none"] == []


def test_every_dialog_of_a_key_begins_with_a_control_that_can_be_seen(inside, api_key):
    """One that no program reads out, or that is a dot of one pixel, leaves a person without a place."""
    inside.goto(key_page(api_key, "key"))
    openers = inside.locator('main button[form="open-key"]:visible')
    texts = [text.strip() for text in openers.all_text_contents()]
    assert "Hand over…" in texts
    assert "Edit" in texts
    for place, text in enumerate(texts):
        inside.goto(key_page(api_key, "key"))
        openers.nth(place).click()
        dialog = inside.get_by_role("dialog")
        expect(dialog).to_be_visible(timeout=10_000)
        start = dialog.locator(":focus")
        expect(start).to_have_count(1)
        assert start.evaluate("one => !one.ariaHidden && one.offsetWidth > 1"), text
