"""P14 of product.md: a key's end, chosen at its creation, extended on Edit, and set to now."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from apikeys.models import ApiKey
from tests.browser.places import EACH_BROWSER, button, call, key_page, more, row, said, settings_page


def ended_in_words(key: ApiKey) -> str:
    key.refresh_from_db()
    assert key.expires_at
    return f"expired on {key.expires_at:%-d %B %Y, %H:%M} UTC"


def stops_in(place: Page | Locator, days: int) -> None:
    words = place.get_by_text(re.compile(rf"Expires on \d+ \w+ \d{{4}}, \d\d:\d\d UTC \(in {days} days\)"))
    expect(words.first).to_be_visible()


@EACH_BROWSER
def test_p14_an_end_is_chosen_spelled_out_extended_and_set_to_now(server, owners_page, project, api_key):
    """P14: the form says what a choice means, and a program is rejected at once with the instant."""
    owners_page.goto(settings_page(project))
    button(owners_page, "+ Create Key").click()
    dialog = owners_page.get_by_role("dialog", name="Create an API key")
    dialog.get_by_label("Name").fill("Nightly backup")
    dialog.get_by_text("Options").click()
    dialog.get_by_label("Expires").select_option("30")
    stops_in(dialog, 30)
    expect(dialog.get_by_label("Date and time")).to_be_hidden()
    dialog.get_by_label("Expires").select_option("at")
    expect(dialog.get_by_text("In your time zone, UTC")).to_be_visible()
    dialog.get_by_label("Date and time").fill("2020-01-31T09:30")
    expect(dialog.get_by_text("This time is in the past.")).to_be_visible()
    button(dialog, "Create key").click()
    expect(dialog.get_by_role("alert")).to_contain_text("in the past")
    expect(dialog.locator("[data-end-words]")).to_have_text("")
    dialog.get_by_label("Expires").select_option("30")
    button(dialog, "Create key").click()
    said(owners_page, "Created Nightly backup. Expires on")
    more(owners_page, "Nightly backup").click()
    button(row(owners_page, "Nightly backup"), "Edit").click()
    edit = owners_page.get_by_role("dialog", name="Edit “Nightly backup”")
    stops_in(edit, 30)
    edit.get_by_label("Expires").select_option("+30")
    stops_in(edit, 60)
    button(edit, "Save").click()
    said(owners_page, "Saved. Nightly backup expires on")
    more(owners_page, "Production server").click()
    button(row(owners_page, "Production server"), "Edit").click()
    button(owners_page, "Expire now…").click()
    asked = owners_page.get_by_role("dialog", name="Expire “Production server” now?")
    expect(button(asked, "Cancel")).to_be_focused()
    assert call(server, api_key.secret).status == 200
    button(asked, "Expire now").click()
    said(owners_page, "Production server has expired.")
    refused = call(server, api_key.secret)
    assert (refused.status, refused.code) == (401, "key_expired")
    assert ended_in_words(api_key) in refused.error["message"]
    expect(row(owners_page, "Production server").locator(".badge")).to_have_text("Expired")
    button(row(owners_page, "Production server"), "Change expiry…").click()
    again = owners_page.get_by_role("dialog", name="Edit “Production server”")
    expect(again.get_by_label("Expires")).to_have_value("+30")
    expect(again.get_by_label("Expires")).to_be_focused()
    again.get_by_label("Expires").select_option("never")
    button(again, "Save").press("Enter")
    said(owners_page, "Saved. Production server works until somebody pauses or deletes it.")
    # Change expiry… is gone with the expiry.
    expect(row(owners_page, "Production server").get_by_role("link", name="Production server")).to_be_focused()
    assert call(server, api_key.secret).status == 200


@pytest.mark.parametrize("browser", ["chromium"], indirect=True)
def test_without_script_a_date_is_in_utc_and_the_answer_spells_it_out(new_page, sign_in, server, owner, api_key):
    """P14"""
    page = new_page(java_script_enabled=False)
    page.set_viewport_size({"width": 360, "height": 740})
    sign_in(page, owner)
    page.goto(key_page(api_key, "edit"))
    page.get_by_label("Expires").select_option("at")
    page.get_by_label("Date and time").fill("2035-02-26T09:30")
    expect(page.get_by_text("In UTC.")).to_be_visible()
    button(page, "Save").click()
    said(page, "Saved. Production server expires on 26 February 2035, 09:30 UTC (in")
    page.goto(key_page(api_key, "edit"))
    button(page, "Expire now…").click()
    button(page, "Expire now").click()
    said(page, "Production server has expired.")
    assert call(server, api_key.secret).code == "key_expired"
