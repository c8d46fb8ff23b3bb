"""Another tab changes a key, or a login ends, while the key's page is open."""

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from apikeys.keys.services import create_key, delete_key
from apikeys.standing import KeyState
from projects.models import Membership
from projects.permissions import Role
from tests.browser.places import (
    button,
    clipboard,
    htmx_logged,
    many_keys,
    names,
    open_deletion,
    row,
    said,
    settings_page,
    switch,
)
from tests.support.factories import PASSWORD, UserFactory


@pytest.mark.parametrize("act", ["pause", "delete"])
def test_a_key_deleted_in_another_tab_is_said_and_leaves_the_list(on_settings, owner, project, api_key, act):
    create_key(project=project, name="Still here", by=owner)
    on_settings.reload()
    delete_key(key=api_key, by=owner)
    act_on_the_key(on_settings, act)
    said(on_settings, "Production server was deleted in the meantime. Nothing was changed.")
    expect(row(on_settings, "Production server")).to_have_count(0)
    assert names(on_settings) == ["Still here"]


@pytest.mark.parametrize("act", ["Copy", "Reveal"])
def test_copying_a_key_deleted_in_another_tab_says_so(on_settings, owner, api_key, act):
    delete_key(key=api_key, by=owner)
    on_settings.evaluate("navigator.clipboard.writeText('before')")
    act_on_the_key(on_settings, act)
    said(on_settings, "Production server was deleted in the meantime. Reload the page.")
    assert clipboard(on_settings) == "before"


def test_a_right_lost_in_the_meantime_is_said(on_settings, api_key, owner, complaints):
    Membership.objects.filter(user=owner).update(role=Role.VIEWER)
    switch(on_settings, "Production server").click()
    said(on_settings, "Only owners and developers of the project can create, edit, pause")
    expect(switch(on_settings, "Production server")).to_have_text("Pause")
    htmx_logged(on_settings, complaints, 403)


def act_on_the_key(page, act):
    dialog = page.get_by_role("dialog")
    if act == "pause":
        switch(page, "Production server").click()
    elif act == "create":
        button(page, "+ Create Key").click()
        button(dialog, "Create key").click()
    elif act == "delete":
        open_deletion(page, "Production server")
    else:
        button(page, f"{act} Production server").click()


@pytest.mark.parametrize("act", ["pause", "create", "delete", "Copy", "Reveal"])
def test_a_login_that_ended_leads_the_whole_page_to_the_login_and_back(on_settings, owner, project, api_key, act):
    if act in {"pause", "Copy"}:
        # As a browser does that forgets its cookies: the form's token has no cookie beside it.
        on_settings.context.clear_cookies()
    Session.objects.all().delete()
    act_on_the_key(on_settings, act)
    on_settings.wait_for_url("**/accounts/login/**")
    expect(on_settings.locator("#api-keys, dialog")).to_have_count(0)
    on_settings.locator("input[name=login]").fill(owner.email)
    on_settings.locator("input[name=password]").fill(PASSWORD)
    on_settings.locator("input[name=password]").press("Enter")
    on_settings.wait_for_url(f"**{settings_page(project)}")
    expect(switch(on_settings, "Production server")).to_have_text("Pause")
    assert project.api_keys.count() == 1


def test_a_search_after_the_login_ended_leads_the_whole_page_to_the_login(page, sign_in, owner, project):
    many_keys(project, 12)
    sign_in(page, owner)
    page.goto(settings_page(project))
    Session.objects.all().delete()
    page.get_by_role("searchbox", name="Search keys").fill("key")
    page.get_by_role("searchbox", name="Search keys").press("Enter")
    page.wait_for_url("**/accounts/login/**")
    expect(page.locator("#api-keys")).to_have_count(0)


def test_somebody_elses_login_in_another_tab_does_not_act_on_the_key(on_settings, sign_in, api_key, complaints):
    sign_in(on_settings, UserFactory())
    switch(on_settings, "Production server").click()
    said(on_settings, "no longer exists")
    htmx_logged(on_settings, complaints, 404)
    api_key.refresh_from_db()
    assert api_key.state == KeyState.ACTIVE
