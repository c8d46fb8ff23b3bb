"""The filters of the Activity page, as far as only a browser can test them."""

from playwright.sync_api import expect

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key
from tests.browser.places import activity


def test_a_filter_changes_the_events_and_the_address_without_a_new_page(page, sign_in, owner, project, api_key):
    pause_key(key=create_key(project=project, name="Staging", by=owner).key, by=owner)
    sign_in(page, owner)
    page.goto(activity(project))
    page.evaluate("window.same = true")
    events = page.get_by_role("region", name="Events, newest first")
    expect(events.get_by_role("listitem")).to_have_count(3)
    page.get_by_label("Event", exact=True).focus()
    page.get_by_label("Event", exact=True).select_option("Key paused")
    expect(events.get_by_role("listitem")).to_have_count(1)
    expect(events.get_by_role("status")).to_have_text("1 event")
    expect(page.get_by_label("Event", exact=True)).to_be_focused()
    page.get_by_label("Key", exact=True).select_option("Production server")
    expect(events.get_by_text("No event matches these filters.")).to_be_visible()
    assert f"kind=paused&person=&key={api_key.public_id}" in page.url
    assert page.evaluate("window.same"), "the page was not loaded again"
    page.go_back()
    expect(events.get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_label("Key", exact=True)).to_have_value("")
