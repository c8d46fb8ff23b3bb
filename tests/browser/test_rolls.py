"""Rolling a key, from the dialog to the automatic end."""

import re
from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from apikeys.keys.services import copy_secret
from apikeys.lifetimes.quiet import end_quiet_keys
from apikeys.lifetimes.rolling import Overlap, roll_key
from tests.browser.places import EACH_BROWSER, button, call, more, said, settings_page
from tests.support.places.pages import action

OLD = re.compile(r"Production server \(rolled \d+ \w+\)")


def panel(page: Page) -> Locator:
    return page.get_by_role("region", name="Rolling “")


@EACH_BROWSER
def test_a_roll_from_the_dialog_to_its_automatic_end(on_settings, server, owner, api_key):
    """P17"""
    page = on_settings
    more(page, "Production server").click()
    button(page, "Roll…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The new key gets the same name and settings as the old one")
    expect(dialog.get_by_label("In 24 hours")).to_be_checked()
    dialog.get_by_label("When it has been quiet, in 30 days at the latest").check()
    button(dialog, "Roll key").click()
    created = page.get_by_role("group", name="New API key Production server")
    expect(created).to_be_focused()
    expect(button(created, "Copy")).to_be_visible()
    said(page, "Rolled Production server")
    expect(panel(page)).to_contain_text("expires when no request has come for 24 hours")
    secret = copy_secret(key=api_key.replaced_by.get(), by=owner)
    assert [call(server, each).status for each in (secret, api_key.secret)] == [200, 200]
    assert end_quiet_keys(timezone.now() + timedelta(hours=25)) == 1
    assert [call(server, each).status for each in (secret, api_key.secret)] == [200, 401]
    page.reload()
    expect(page.get_by_role("row", name=OLD)).to_contain_text("Expired")
    expect(panel(page)).to_have_count(0)


def test_the_panel_gives_24_more_hours_and_ends_the_old_key(on_settings, owner, api_key, project):
    """P17: by keyboard, and the focus stays on the page."""
    roll_key(key=api_key, overlap=Overlap.DAY, by=owner)
    page = on_settings
    page.goto(settings_page(project))
    end = api_key.expires_at
    button(page, "+ 24 hours").press("Enter")
    said(page, "now expires on")
    api_key.refresh_from_db()
    assert api_key.expires_at == end + timedelta(hours=24)
    button(page, "Expire old key now…").press("Enter")
    expect(button(page, "Cancel")).to_be_focused()
    button(page, "Expire now").click()
    said(page, "Requests using it are now rejected")
    expect(panel(page)).to_have_count(0)
    expect(page.locator("body")).not_to_be_focused()


def test_a_roll_fits_a_phone_of_360_pixels(new_page, sign_in, owner, api_key):
    """P17"""
    api_key.name = "W" * 64
    api_key.save(update_fields=["name"])
    roll_key(key=api_key, overlap=Overlap.QUIET, by=owner)
    page = new_page(viewport={"width": 360, "height": 800})
    sign_in(page, owner)
    for address in (settings_page(api_key.project), action("key", api_key), action("roll", api_key.replaced_by.get())):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
