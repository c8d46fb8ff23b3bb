"""The questions of the Members page, and forms that are opened from a form: focus, Escape, and what was typed."""

import re

import pytest
from playwright.sync_api import expect

from projects.invitations.services import invite
from projects.permissions import Role
from tests.browser.places import (
    button,
    htmx_logged,
    key_page,
    members_page,
    more,
    row,
    said,
    settings_page,
    switch,
    until,
)
from tests.support.people.invitations import ADDRESS

LINK = re.compile(r"http\S+/invitations/[0-9a-f]{64}/")
WIDTHS = (1280, 360)

# Controls of different heights beside each other in one row. Icons inside a line of text are no row of controls.
UNEVEN = """() => {
  const all = '.button, .switch, .icon-button, select, input:not([type=hidden], [type=checkbox], [type=radio])'
  const rows = 'tr, li, .cluster, .form-row, .filters, .panel-head, .page-head, .spread, .dialog-actions, .notice'
  const controls = [...document.querySelectorAll(`main :is(${all})`)]
    .filter(control => control.checkVisibility() && !control.closest('.key-mask, .project-id, .facts, .secret'))
  const found = []
  for (const one of controls) for (const other of controls) {
    const row = one.closest(rows), a = one.getBoundingClientRect(), b = other.getBoundingClientRect()
    const isBeside = a.right <= b.left && a.top < b.bottom && b.top < a.bottom
    if (row?.contains(other) && isBeside && Math.abs(a.height - b.height) > 0.5)
      found.push([one.id || one.textContent.trim(), a.height, other.id || other.textContent.trim(), b.height])
  }
  return found
}"""


@pytest.fixture
def members(owners_page, project, owner, developer, viewer):
    """The Members page of a project with two owners, on which everybody can leave or be removed."""
    project.memberships.filter(user=developer).update(role=Role.OWNER)
    invite(project=project, emails=[ADDRESS, "grace@example.com"], role=Role.VIEWER, by=owner)
    owners_page.goto(members_page(project))
    return owners_page


def openers(page, owner, viewer):
    own = page.get_by_role("row").filter(has_text=owner.email)
    own.get_by_role("combobox").select_option("Viewer")
    return {
        "remove": button(page, f"Remove… {viewer.email}"),
        "leave": button(page, "Leave…"),
        "revoke": button(page, "Revoke…").first,
        "own role": own.get_by_role("button", name=re.compile("^Save")),
    }


@pytest.mark.parametrize("question", ["remove", "leave", "revoke", "own role"])
def test_each_question_opens_and_closes_in_the_same_way(question, members, owner, viewer):
    """By keyboard: Cancel has the focus, Escape and Cancel close, and the focus returns to the button."""
    opener, dialog = openers(members, owner, viewer)[question], members.get_by_role("dialog")
    for close in ("Escape", "Enter"):
        opener.focus()
        members.keyboard.press("Enter")
        expect(button(dialog, "Cancel")).to_be_focused()
        expect(dialog.locator(".button.danger.final")).to_have_count(1)
        members.keyboard.press(close)
        expect(dialog).to_have_count(0)
        expect(opener).to_be_focused()
    expect(members.get_by_role("row").filter(has_text=owner.email).get_by_role("combobox")).to_have_value("viewer")


def test_a_link_that_cannot_be_copied_stands_in_its_row_until_the_person_is_done(members):
    members.evaluate("() => { navigator.clipboard.write = () => Promise.reject(new Error('refused')) }")
    row = members.locator("#invitation-list li").nth(1)
    for close in ("Done", "Escape"):
        button(row, "Copy link").click()
        field = row.get_by_label("Press Ctrl+C")
        expect(field).to_be_focused()
        assert LINK.fullmatch(field.input_value())
        assert members.evaluate("getSelection().toString()") == field.input_value()
        expect(row).to_contain_text("It works once")
        members.keyboard.press("Tab")
        expect(button(row, "Done")).to_be_focused()
        expect(field).to_be_visible()
        members.keyboard.press("Enter" if close == "Done" else "Escape")
        expect(field).to_have_count(0)
        expect(button(row, "Copy link")).to_be_focused()


def test_after_a_revocation_the_focus_is_on_the_next_row(members):
    second = members.locator("#invitation-list li").nth(1).get_attribute("id")
    button(members, "Revoke…").first.click()
    button(members, "Revoke invitation").click()
    said(members, "Revoked the invitation")
    expect(members.locator(f"#{second}")).to_be_focused()


def test_what_was_typed_into_edit_is_there_after_cancel_of_end_now(owners_page, project, api_key):
    owners_page.goto(key_page(api_key, "key"))
    button(owners_page, "Edit").click()
    dialog = owners_page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Half typed")
    dialog.get_by_label("Expires").select_option("90")
    dialog.get_by_text("Options").click()
    dialog.get_by_label("Addresses").fill("192.0.2.7")
    button(dialog, "Expire now…").click()
    expect(dialog.get_by_role("heading")).to_have_text("Expire “Production server” now?")
    button(dialog, "Cancel").click()
    expect(button(dialog, "Expire now…")).to_be_focused()
    expect(dialog.get_by_label("Name")).to_have_value("Half typed")
    expect(dialog.get_by_label("Expires")).to_have_value("90")
    expect(dialog.get_by_label("Addresses")).to_have_value("192.0.2.7")
    dialog.get_by_label("Name").press("Enter")
    said(owners_page, "Renamed Production server to Half typed.")


@pytest.mark.parametrize("width", WIDTHS)
def test_controls_in_one_row_have_one_height(width, members, project, api_key):
    members.set_viewport_size({"width": width, "height": 800})
    found = {}
    for address in (members_page(project), settings_page(project), key_page(api_key, "key")):
        members.goto(address)
        if uneven := members.evaluate(UNEVEN):
            found[address] = uneven
    assert found == {}


def test_a_person_without_script_returns_to_the_row(new_page, sign_in, owner, project, api_key, members):
    """Copy link, Revoke and its Cancel, with the link selectable in its row."""
    plain = new_page(java_script_enabled=False)
    sign_in(plain, owner)
    plain.goto(f"{members_page(project)}?page=1")
    row = plain.locator("#invitation-list li").nth(1)
    button(row, "Copy link").click()
    field = row.get_by_label("Invitation link")
    expect(field).to_be_focused()
    assert LINK.fullmatch(field.input_value())
    row.get_by_role("link", name="Done").click()
    assert plain.url.endswith(f"/members/?page=1#{row.get_attribute('id')}")
    button(row, "Revoke…").click()
    plain.get_by_role("link", name="Cancel").click()
    assert plain.url.endswith(f"/members/?page=1#{row.get_attribute('id')}")
    button(row, "Revoke…").click()
    button(plain, "Revoke invitation").click()
    said_there = plain.locator("#announcements")
    expect(said_there).to_contain_text("Revoked the invitation")
    until(lambda: plain.url.endswith("/members/?page=1#invitations"))


def test_a_member_who_lost_a_right_reads_the_servers_reason(page, sign_in, project, api_key, developer, complaints):
    """The page was opened before: its buttons are still there."""
    sign_in(page, developer)
    page.goto(settings_page(project))
    project.memberships.filter(user=developer).update(role=Role.VIEWER)
    button(page, "Reveal Production server").click()
    said(page, "Only owners and developers of the project can copy and reveal secrets. Ask an owner of the project.")
    switch(page, "Production server").click()
    reason = "Only owners and developers of the project can create, edit, pause, re-enable, roll and delete keys."
    said(page, reason)
    htmx_logged(page, complaints, 403)
    more(page, "Production server").click()
    button(row(page, "Production server"), "Edit").click()
    said(page, reason)
    htmx_logged(page, complaints, 403)
    project.memberships.filter(user=developer).delete()
    button(page, "Reveal Production server").click()
    said(page, "The address is wrong, what it named was deleted, or it belongs to someone else.")
    switch(page, "Production server").click()
    said(page, "This no longer exists, or you lost access to it.")
    htmx_logged(page, complaints, 404)
