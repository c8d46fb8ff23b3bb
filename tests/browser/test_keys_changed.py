"""Pausing, re-enabling and deleting keys on their page."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, report_leak
from apikeys.standing import KeyState
from projects.audit_log.models import AuditEvent
from tests.browser.places import (
    button,
    dashboard,
    more,
    open_deletion,
    row,
    said,
    settings_page,
    settled,
    switch,
    used,
)

# Pausing


def test_space_on_the_switch_pauses_and_the_focus_stays(on_settings, api_key):
    control = switch(on_settings, "Production server")
    expect(control).to_have_text("Pause")
    control.focus()
    on_settings.keyboard.press("Space")
    expect(control).to_have_text("Re-enable")
    expect(control).to_be_focused()
    expect(row(on_settings, "Production server").locator(".badge")).to_have_text("Paused")
    settled(on_settings)
    api_key.refresh_from_db()
    assert api_key.state == KeyState.PAUSED
    on_settings.keyboard.press("Space")
    expect(control).to_have_text("Pause")
    expect(control).to_be_focused()
    said(on_settings, "Re-enabled Production server.")


def test_pausing_swaps_the_one_row_and_nothing_else(page, sign_in, owner, project, api_key):
    other = create_key(project=project, name="Other", by=owner).key
    sign_in(page, owner)
    page.goto(settings_page(project))
    page.evaluate("for (const row of document.querySelectorAll('.key-row')) row.kept = true")
    switch(page, "Production server").click()
    expect(switch(page, "Production server")).to_have_text("Re-enable")
    kept = page.evaluate("[...document.querySelectorAll('.key-row')].filter(row => row.kept).map(row => row.id)")
    assert kept == [f"row-{other.public_id}"]
    expect(switch(page, "Other")).to_have_text("Pause")


@pytest.mark.parametrize("width", [1280, 360])
def test_the_rows_below_stay_where_they_are_when_a_line_goes_with_the_pause(page, sign_in, owner, project, width):
    create_key(project=project, name="Below", by=owner)
    quiet = create_key(project=project, name="Quiet", by=owner).key
    used(quiet, timedelta(days=2))
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, owner)
    page.goto(settings_page(project))
    height, below = (row(page, name).bounding_box() for name in ("Quiet", "Below"))
    switch(page, "Quiet").click()
    said(page, "Paused Quiet.")
    expect(row(page, "Quiet").get_by_text("No requests in 24 hours")).to_have_count(0)
    after = [row(page, name).bounding_box() for name in ("Quiet", "Below")]
    assert after[1]["y"] - after[0]["y"] == below["y"] - height["y"]


def test_the_announcement_of_a_pause_offers_undo(on_settings, project):
    button(row(on_settings, "Production server"), "Pause").click()
    said(on_settings, "Paused Production server. Requests using it are rejected.")
    button(on_settings, "Undo").click()
    expect(switch(on_settings, "Production server")).to_have_text("Pause")
    expect(switch(on_settings, "Production server")).to_be_focused()
    said(on_settings, "Re-enabled Production server.")
    assert list(project.audit_events.values_list("kind", flat=True)) == ["resumed", "paused", "created"]


def test_a_paused_row_looks_paused_and_quick_start_says_it_loudly(page, sign_in, owner, project, api_key):
    pause_key(key=api_key, by=owner)
    sign_in(page, owner)
    page.goto(settings_page(project))
    line = row(page, "Production server")
    expect(line).to_have_class(re.compile("is-paused"))
    expect(line.locator(".badge svg")).to_be_visible()
    expect(switch(page, "Production server")).to_have_text("Re-enable")
    page.goto(dashboard(project))
    quick_start = page.get_by_role("region", name="Quick Start")
    expect(quick_start.locator(".badge")).to_have_text("Paused")
    expect(quick_start).to_contain_text("Every request using it is rejected.")
    button(quick_start, "Re-enable").click()
    said(page, "Re-enabled Production server.")
    expect(quick_start.locator(".badge")).to_have_text("Active")


def test_a_switch_shows_the_servers_state_when_another_tab_was_faster(on_settings, api_key, owner):
    pause_key(key=api_key, by=owner)
    switch(on_settings, "Production server").click()
    expect(switch(on_settings, "Production server")).to_have_text("Re-enable")
    assert AuditEvent.objects.filter(kind="paused").count() == 1


@pytest.mark.parametrize("width", [320, 360, 800, 1280])
def test_the_key_picker_says_in_one_line_that_a_key_is_leaked_and_fits_the_page(
    page, sign_in, owner, project, api_key, width
):
    report_leak(secret=create_key(project=project, name="Default key", by=owner).secret)
    create_key(project=project, name="Mobile app with a rather long name, for narrow screens", by=owner)
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, owner)
    for chosen in project.api_keys.all():
        page.goto(f"{dashboard(project)}?key={chosen.public_id}")
        page.locator(".picker summary").click()
        leaked = page.locator(".picker").get_by_role("link", name="Default key Leaked")
        assert leaked.locator(".badge").bounding_box()["height"] <= 28
        assert leaked.locator(".truncate").evaluate("name => name.scrollWidth <= name.clientWidth")
        menu = page.locator(".picker .nav").bounding_box()
        assert menu["x"] + menu["width"] <= width


# Deleting


def test_the_dialog_names_the_key_and_says_what_will_happen(on_settings):
    open_deletion(on_settings, "Production server")
    dialog = on_settings.get_by_role("dialog", name="Delete “Production server”?")
    expect(dialog).to_contain_text("Never used.")
    expect(dialog).to_contain_text("Requests using this key will be rejected at once. This cannot be undone.")
    expect(button(dialog, "Cancel")).to_be_focused()
    expect(dialog.get_by_role("textbox")).to_have_count(0)


@pytest.mark.parametrize("way", ["Escape", "Cancel"])
def test_escape_and_cancel_change_nothing(on_settings, api_key, way):
    opener = more(on_settings, "Production server")
    open_deletion(on_settings, "Production server")
    dialog = on_settings.get_by_role("dialog")
    expect(dialog).to_be_visible()
    if way == "Escape":
        on_settings.keyboard.press("Escape")
    else:
        button(dialog, "Cancel").click()
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    before = api_key.state
    api_key.refresh_from_db()
    assert api_key.state == before
    assert list(api_key.events.values_list("kind", flat=True)) == ["created"]


def test_after_a_deletion_the_focus_is_on_the_next_row_and_then_on_the_heading(page, sign_in, owner, project):
    for name in ("Last", "Middle", "First"):
        create_key(project=project, name=name, by=owner)
    sign_in(page, owner)
    page.goto(settings_page(project))

    def delete(name):
        open_deletion(page, name)
        button(page.get_by_role("dialog"), "Delete key").click()
        expect(row(page, name)).to_have_count(0)
        said(page, f"Deleted {name}. Requests using it are now rejected.")

    delete("First")
    expect(row(page, "Middle")).to_be_focused()
    page.keyboard.press("Enter")
    expect(switch(page, "Middle")).to_have_text("Pause")
    delete("Middle")
    expect(row(page, "Last")).to_be_focused()
    delete("Last")
    expect(page.get_by_role("heading", name="API Keys")).to_be_focused()


def test_a_key_used_this_week_asks_for_its_name(page, sign_in, owner, project, api_key):
    used(api_key, timedelta(days=6))
    sign_in(page, owner)
    page.goto(settings_page(project))
    open_deletion(page, "Production server")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Last used 6 days ago from 203.0.113.7. No requests in the last 24 hours.")
    field = dialog.get_by_label("Type Production server to confirm")
    expect(field).to_be_focused()
    field.fill("production")
    button(dialog, "Delete key").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Type the name exactly: Production server")
    expect(dialog).to_be_visible()
    expect(field).to_have_value("production")
    expect(field).to_have_accessible_description(re.compile("Type the name exactly"))
    api_key.refresh_from_db()
    assert api_key.state == KeyState.ACTIVE
    field.fill("Production server")
    button(dialog, "Delete key").click()
    expect(row(page, "Production server")).to_have_count(0)
    api_key.refresh_from_db()
    assert api_key.state == KeyState.DELETED


def test_a_key_last_used_eight_days_ago_asks_for_no_name(page, sign_in, owner, project, api_key):
    used(api_key, timedelta(days=8))
    sign_in(page, owner)
    page.goto(settings_page(project))
    open_deletion(page, "Production server")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Last used 1 week ago")
    expect(dialog.get_by_role("textbox")).to_have_count(0)


def test_deleting_a_project_asks_for_its_name_and_stops_its_keys(on_settings, project):
    button(on_settings, "Delete project…").click()
    dialog = on_settings.get_by_role("dialog", name="Delete the project “Acme Weather”?")
    dialog.get_by_label("Type Acme Weather to confirm").fill("Acme")
    button(dialog, "Delete project").click()
    field = dialog.get_by_label("Type Acme Weather to confirm")
    expect(dialog.get_by_role("alert")).to_contain_text("Type the name exactly: Acme Weather")
    expect(field).to_have_value("Acme")
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(re.compile("Type the name exactly"))
    assert on_settings.url.endswith(settings_page(project))
    field.fill("Acme Weather")
    button(dialog, "Delete project").click()
    said(on_settings, "Deleted Acme Weather. Requests using its keys are now rejected.")
    project.refresh_from_db()
    assert project.deleted_at is not None
