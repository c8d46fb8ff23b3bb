"""Choosing emails, and a report that arrives while its key's page is open."""

import json

import pytest
from playwright.sync_api import expect

from apikeys.keys.services import report_leak
from projects.models import Membership
from tests.browser.places import button, call, dashboard, row, said, settings_page


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["", "without script"])
def test_an_owner_switches_mails_off_and_on_again(new_page, sign_in, owner, project, java_script_enabled):
    page = new_page(java_script_enabled=java_script_enabled)
    sign_in(page, owner)
    page.goto(settings_page(project))
    group = page.get_by_role("group", name="Email me at owner@example.com when:")
    created, reported = (
        group.get_by_label(f"A key is {what}", exact=True) for what in ("created", "reported as leaked")
    )
    for wanted in (False, True):
        created.set_checked(wanted)
        button(page, "Save").click()
        said(page, "Notification settings saved.")
        expect(created).to_be_checked(checked=wanted)
        expect(reported).to_be_checked()
        assert Membership.objects.get(user=owner).mail_created is wanted


def test_a_report_is_loud_on_quick_start_and_re_enable_takes_it_back(server, page, sign_in, owner, api_key):
    """T34"""
    body = json.dumps({"secret": api_key.secret})
    assert server.request("POST", "/api/v1/report", body, {"Content-Type": "application/json"}).status == 202
    sign_in(page, owner)
    page.goto(dashboard(api_key.project))
    expect(page.get_by_text("Reported as leaked", exact=True)).to_be_visible()
    expect(page.get_by_text("This key was reported as leaked.")).to_be_visible()
    expect(page.get_by_role("link", name="Roll it")).to_be_visible()
    button(page, "Re-enable").click()
    said(page, "Re-enabled Production server.")
    expect(page.get_by_text("reported as leaked")).to_have_count(0)


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["", "without script"])
def test_undo_does_not_re_enable_a_key_that_was_reported_meanwhile(
    server, new_page, sign_in, owner, api_key, java_script_enabled
):
    """T34"""
    page = new_page(java_script_enabled=java_script_enabled)
    sign_in(page, owner)
    page.goto(settings_page(api_key.project))
    button(row(page, "Production server"), "Pause").click()
    said(page, "Paused Production server.")
    report_leak(secret=api_key.secret)
    button(page, "Undo").click()
    said(page, "Production server was reported as leaked in the meantime and stays paused.")
    expect(row(page, "Production server").locator(".badge")).to_have_text("Reported as leaked")
    expect(button(page, "Undo")).to_have_count(0)
    assert call(server, api_key.secret).code == "key_paused"
    button(row(page, "Production server"), "Re-enable").click()
    said(page, "Re-enabled Production server.")
    assert call(server, api_key.secret).status == 200
