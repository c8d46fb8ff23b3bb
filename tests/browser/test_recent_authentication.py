"""T21 as a person sees it: after the confirmation, the person is back at the same place and continues."""

import re

import pytest
from django.core.cache import cache
from playwright.sync_api import expect

from apikeys.keys.services import create_key
from apikeys.standing import KeyState
from tests.browser.places import (
    SECRET,
    button,
    clipboard,
    dashboard,
    key_page,
    many_keys,
    open_deletion,
    row,
    said,
    settings_page,
)
from tests.support.factories import PASSWORD
from tests.support.people.sessions import age_all

CONFIRM = re.compile("/accounts/reauthenticate/")


@pytest.fixture(autouse=True)
def fresh_limits(transactional_db):
    cache.clear()


def confirm(page):
    expect(page).to_have_url(CONFIRM)
    expect(page.get_by_role("heading", name="Confirm it's you")).to_be_visible()
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Confirm").click()


def test_copy_in_an_old_session_asks_and_comes_back_to_the_very_row(page, sign_in, owner, project):
    """T21"""
    wanted = create_key(project=project, name="Wanted", by=owner)
    many_keys(project, 14)
    address = f"{settings_page(project)}?q=&state=active&page=2"
    sign_in(page, owner)
    page.goto(address)
    age_all()
    button(page, "Copy Wanted").click()
    confirm(page)
    expect(page).to_have_url(re.compile(re.escape(f"{address}#row-{wanted.key.public_id}") + "$"))
    expect(row(page, "Wanted")).to_be_focused()
    button(page, "Copy Wanted").click()
    said(page, "API key copied")
    assert clipboard(page) == wanted.secret


def test_reveal_on_the_dashboard_comes_back_to_the_key_that_was_chosen(page, sign_in, owner, project, api_key):
    """T21"""
    create_key(project=project, name="Newer", by=owner)
    sign_in(page, owner)
    page.goto(f"{dashboard(project)}?key={api_key.public_id}")
    age_all()
    button(page, "Reveal Production server").click()
    confirm(page)
    button(page, "Reveal Production server").click()
    said(page, "revealed")
    expect(page.locator("[data-mask]")).to_have_text(api_key.secret)


def test_delete_in_an_old_session_comes_back_to_its_open_dialog(page, sign_in, owner, project, api_key):
    """T21"""
    sign_in(page, owner)
    page.goto(settings_page(project))
    age_all()
    open_deletion(page, "Production server")
    confirm(page)
    dialog = page.get_by_role("dialog", name="Delete “Production server”?")
    expect(dialog).to_be_visible()
    expect(button(dialog, "Cancel")).to_be_focused()
    assert page.url.endswith(settings_page(project))
    page.reload()
    expect(dialog).to_be_hidden()
    open_deletion(page, "Production server")
    button(dialog, "Delete key").click()
    said(page, "Deleted Production server.")
    api_key.refresh_from_db()
    assert api_key.state == KeyState.DELETED


def test_deleting_a_project_in_an_old_session_comes_back_to_its_confirmation(page, sign_in, owner, project, api_key):
    """T21"""
    sign_in(page, owner)
    page.goto(settings_page(project))
    age_all()
    button(page, "Delete project…").click()
    confirm(page)
    dialog = page.get_by_role("dialog", name="Delete the project “Acme Weather”?")
    dialog.get_by_label("Type Acme Weather to confirm").fill("Acme Weather")
    age_all()
    button(dialog, "Delete project").click()
    confirm(page)
    expect(dialog).to_contain_text("Nothing has been done yet: press Delete project again.")
    dialog.get_by_label("Type Acme Weather to confirm").fill("Acme Weather")
    button(dialog, "Delete project").click()
    said(page, "Deleted Acme Weather.")


def test_pausing_in_an_old_session_asks_nothing(page, sign_in, owner, project, api_key):
    sign_in(page, owner)
    page.goto(settings_page(project))
    age_all()
    button(row(page, "Production server"), "Pause").click()
    said(page, "Paused Production server.")
    button(page, "Undo").click()
    said(page, "Re-enabled Production server.")


def test_without_script_the_secret_follows_the_confirmation(new_page, sign_in, owner, project, api_key):
    """T21"""
    plain = new_page(java_script_enabled=False)
    sign_in(plain, owner)
    plain.goto(settings_page(project))
    age_all()
    button(plain, "Copy Production server").click()
    confirm(plain)
    expect(plain.get_by_label("API key", exact=True)).to_have_value(api_key.secret)
    plain.reload()
    assert not SECRET.search(plain.content())
    plain.goto(settings_page(project))
    button(plain, "Reveal Production server").click()
    expect(plain.get_by_label("API key", exact=True)).to_have_value(api_key.secret)


def test_without_script_a_deletion_comes_back_to_its_own_page(new_page, sign_in, owner, project, api_key):
    """T21"""
    plain = new_page(java_script_enabled=False)
    sign_in(plain, owner)
    plain.goto(settings_page(project))
    age_all()
    open_deletion(plain, "Production server")
    confirm(plain)
    expect(plain).to_have_url(re.compile(f"{key_page(api_key)}$"))
    button(plain, "Delete key").click()
    said(plain, "Deleted Production server.")


def test_the_name_of_a_new_key_is_kept_through_the_confirmation(page, sign_in, owner, project):
    """T52: the dialog asks, and afterwards the form still has the name."""
    sign_in(page, owner)
    page.goto(settings_page(project))
    age_all()
    button(page, "+ Create Key").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Typed before")
    button(page.get_by_role("dialog"), "Create key").click()
    confirm(page)
    expect(page.get_by_label("Name")).to_have_value("Typed before")
    button(page, "Create key").click()
    said(page, "Created Typed before.")
    assert project.api_keys.get().name == "Typed before"
