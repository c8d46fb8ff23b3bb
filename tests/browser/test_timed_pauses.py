"""Pause for…, Keep paused, and pauses that end by themselves, in a browser."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from apikeys.keys.pausing import change_end_of_pause, pause_key
from apikeys.lifetimes.pauses import write_down_ended_pauses
from apikeys.models import ApiKey
from tests.browser.places import (
    EACH_BROWSER,
    activity,
    button,
    call,
    dashboard,
    key_page,
    more,
    open_deletion,
    row,
    said,
    settings_page,
    switch,
    until,
)

MINUTE = timedelta(minutes=1)


def end_a_minute_ago(key):
    now = timezone.now()
    ApiKey.objects.filter(pk=key.pk).update(paused_at=now - 5 * MINUTE, resumes_at=now - MINUTE)


def open_pause_for(page, name):
    more(page, name).click()
    button(row(page, name), "Pause for…").click()
    return page.get_by_role("dialog", name=f"Pause “{name}” for…")


@EACH_BROWSER
def test_p15_a_pause_ends_by_itself(server, owners_page, owner, project, api_key):
    """P15: **Pause for…** rejects requests until its end, and then lets them in by itself. The log says so once."""
    owners_page.goto(settings_page(project))
    dialog = open_pause_for(owners_page, "Production server")
    dialog.get_by_label("1 hour").check()
    dialog.get_by_label("Note (optional)").fill("Trying the night job")
    button(dialog, "Pause key").click()
    said(owners_page, "Paused Production server for 1 hour. Requests using it are rejected.")
    refused = call(server, api_key.secret)
    assert (refused.status, refused.code) == (401, "key_paused")
    assert "night job" not in str(refused)
    change_end_of_pause(key=api_key, until=timezone.now() + timedelta(seconds=1), by=owner)
    until(lambda: call(server, api_key.secret).status == 200)
    owners_page.reload()
    expect(row(owners_page, "Production server").locator(".badge")).to_have_text("Active")
    for _ in range(2):
        write_down_ended_pauses(timezone.now())
    owners_page.goto(activity(project))
    expect(owners_page.get_by_text("was re-enabled by itself when its pause ended")).to_have_count(1)


@EACH_BROWSER
def test_p16_a_rehearsal_names_who_missed_the_key(server, owners_page, project, api_key):
    """P16: **Pause for 5 minutes instead** of deleting; the row, the key's page and the dialog say who missed it."""
    owners_page.goto(settings_page(project))
    open_deletion(owners_page, "Production server")
    button(owners_page.get_by_role("dialog"), "Pause for 5 minutes instead").click()
    said(owners_page, "Paused Production server for 5 minutes. Requests using it are rejected.")
    line = row(owners_page, "Production server")
    expect(line).to_contain_text("Rehearsal: no request was rejected so far.")
    assert [call(server, api_key.secret).code for _ in range(2)] == ["key_paused"] * 2
    until(lambda: owners_page.reload() and "2 rejected requests" in line.inner_text())
    missed = re.compile(r"Rehearsal:\s+2 rejected requests from 1 address:\s+127\.0\.0\.1\s+\(2\)")
    expect(line).to_contain_text(missed)
    open_deletion(owners_page, "Production server")
    expect(owners_page.get_by_role("dialog")).to_contain_text(missed)
    owners_page.goto(key_page(api_key, "key"))
    expect(owners_page.get_by_role("region", name="Status and requests")).to_contain_text(missed)


def test_pause_for_by_keyboard_and_keep_paused_in_the_row(on_settings):
    more(on_settings, "Production server").focus()
    on_settings.keyboard.press("Enter")
    item = button(row(on_settings, "Production server"), "Pause for…")
    item.focus()
    on_settings.keyboard.press("Enter")
    dialog = on_settings.get_by_role("dialog", name="Pause “Production server” for…")
    expect(dialog.get_by_label("5 minutes")).to_be_checked()
    expect(dialog.locator("input[type=datetime-local]")).to_be_hidden()
    dialog.get_by_label("Note (optional)").fill("Trying it")
    on_settings.keyboard.press("Enter")
    said(on_settings, "Paused Production server for 5 minutes. Requests using it are rejected.")
    line = row(on_settings, "Production server")
    expect(line.locator(".badge")).to_contain_text("in 5 minutes")
    expect(line).to_contain_text("Trying it")
    button(line, "Keep paused").click()
    said(on_settings, "Production server stays paused until someone re-enables it.")
    expect(line.locator(".badge")).to_have_text("Paused")


def test_a_dialog_that_a_busy_server_refused_keeps_what_was_typed_and_sends_it_again(on_settings, complaints):
    words = "Too many changes are being made at once. Nothing was changed. Try again in a second."
    dialog = open_pause_for(on_settings, "Production server")
    dialog.get_by_label("Note (optional)").fill("Trying it")
    on_settings.route("**/pause-for/", lambda route: route.fulfill(status=503, headers={"X-Busy": words}), times=1)
    button(dialog, "Pause key").click()
    expect(dialog.get_by_text(words)).to_be_in_viewport()
    complaints.clear()
    expect(dialog.get_by_label("Note (optional)")).to_have_value("Trying it")
    button(dialog, "Pause key").click()
    said(on_settings, "Paused Production server for 5 minutes. Requests using it are rejected.")
    expect(row(on_settings, "Production server")).to_contain_text("Trying it")


@pytest.mark.parametrize("place", [settings_page, dashboard, key_page], ids=["list", "dashboard", "key"])
def test_the_page_counts_down_and_shows_the_key_anew_when_its_pause_has_ended(
    page, sign_in, owner, project, api_key, place
):
    pause_key(key=api_key, by=owner, until=timezone.now() + 5 * MINUTE)
    sign_in(page, owner)
    page.clock.install()
    page.goto(key_page(api_key, "key") if place is key_page else place(project))
    badge = page.locator(".badge").first
    expect(badge).to_contain_text(re.compile(r"in [45] minutes"))
    page.clock.fast_forward("02:00")
    expect(badge).to_contain_text(re.compile(r"in [23] minutes"))
    end_a_minute_ago(api_key)
    page.clock.fast_forward("05:00")
    expect(badge).to_have_text("Active")
    if place is not dashboard:
        expect(switch(page, "Production server") if place is settings_page else button(page, "Pause")).to_be_visible()


def test_times_are_the_readers_own_and_the_form_sends_the_zone(new_page, sign_in, owner, project, api_key):
    """In summer and in winter: the offset is that of the typed time."""
    page = new_page(timezone_id="Europe/Berlin")
    sign_in(page, owner)
    page.goto(settings_page(project))
    dialog = open_pause_for(page, "Production server")
    dialog.get_by_label("Until a date and time").check()
    expect(dialog).to_contain_text(re.compile(r"In your time zone, UTC\+0[12]:00\."))
    year = timezone.now().year + 1
    for typed, utc in ((f"{year}-07-01T12:00", "10:00"), (f"{year}-01-15T12:00", "11:00")):
        dialog.get_by_label("Date and time", exact=True).fill(typed)
        button(dialog, "Pause key").click()
        day = f"{datetime.fromisoformat(typed):%-d %B %Y}"
        # Each place names the zone, and the tooltip has the time in UTC.
        said(page, re.compile(rf"Paused Production server until {day}, 12:00 CES?T\."))
        expect(page.locator(f'.announcement [title="{day}, {utc} UTC"]')).to_be_visible()
        badge = row(page, "Production server").locator(".badge")
        expect(badge).to_contain_text(re.compile(r", 12:00 CES?T \(in"))
        expect(badge.locator("time")).to_have_attribute("title", f"{day}, {utc}:00 UTC")
        switch(page, "Production server").click()
        said(page, "Re-enabled Production server.")
        dialog = open_pause_for(page, "Production server")
        dialog.get_by_label("Until a date and time").check()


@pytest.mark.parametrize("width", [360, 1280])
def test_without_script_the_same_forms_are_pages(new_page, sign_in, owner, project, api_key, width):
    page = new_page(java_script_enabled=False, viewport={"width": width, "height": 800})
    sign_in(page, owner)
    page.goto(key_page(api_key, "key"))
    button(page, "Pause for…").click()
    page.get_by_label("Until a date and time").check()
    expect(page.get_by_text("In UTC.")).to_be_visible()
    page.get_by_label("Date and time", exact=True).fill("2020-01-01T10:00")
    button(page, "Pause key").click()
    expect(page.get_by_role("alert")).to_have_text("This time is in the past. Choose a later one.")
    expect(page.get_by_label("Date and time", exact=True)).to_have_value("2020-01-01T10:00")
    page.get_by_label("24 hours").check()
    button(page, "Pause key").click()
    said(page, "Paused Production server for 24 hours.")
    page.goto(settings_page(project))
    button(row(page, "Production server"), "Keep paused").click()
    said(page, "Production server stays paused until someone re-enables it.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("script", [True, False])
def test_the_time_after_since_is_the_readers_own_or_says_utc(new_page, sign_in, owner, project, api_key, script):
    stopped = timezone.now() - timedelta(days=40)
    pause_key(key=api_key, by=owner)
    row_of_key = ApiKey.objects.filter(pk=api_key.pk)
    row_of_key.update(paused_at=stopped, refused_calls=9, last_refused_at=timezone.now())
    page = new_page(timezone_id="Asia/Kathmandu", java_script_enabled=script)
    sign_in(page, owner)
    local = stopped.astimezone(ZoneInfo("Asia/Kathmandu") if script else UTC)
    zone = "GMT+5:45" if script else "UTC"
    for place in (dashboard(project), settings_page(project), key_page(api_key, "key")):
        page.goto(place)
        expect(page.locator("main")).to_contain_text(f"since {local:%H:%M} {zone} on {local.day} {local:%B}")
