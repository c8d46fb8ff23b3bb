"""Every flow in a browser that runs no script: forms, links, and dialogs that the browser itself opens."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from apikeys.keys.services import create_key
from apikeys.standing import KeyState
from projects.models import Project
from tests.browser.places import (
    SECRET,
    button,
    call,
    dashboard,
    key_page,
    many_keys,
    onboarding,
    open_deletion,
    other_project,
    row,
    said,
    settings_page,
    switch,
    until_used,
)
from tests.support.factories import PASSWORD


@pytest.fixture
def plain(new_page):
    """A page that runs no script."""
    return new_page(java_script_enabled=False)


@pytest.fixture
def on_settings(plain, sign_in, owner, project, api_key):
    sign_in(plain, owner)
    plain.goto(settings_page(project))
    return plain


def test_from_sign_up_to_a_request_that_is_let_in(plain, server):
    plain.goto("/accounts/signup/")
    plain.locator("input[name=email]").fill("new@example.com")
    plain.locator("input[name=password1]").fill(PASSWORD)
    plain.locator("input[name=password1]").press("Enter")
    plain.get_by_label("Project name").fill("Tide tables")
    button(plain, "Create project").click()
    button(plain, "Generate Key").click()
    expect(plain.get_by_role("heading", name="Your API key is ready")).to_be_visible()
    # The clipboard needs script, so Copy leads to a page with the secret in a field.
    button(plain, "Copy").click()
    secret = plain.get_by_label("API key").input_value()
    assert SECRET.fullmatch(secret)
    assert plain.get_by_label("Line for a .env file").input_value() == f"LATCHKEY_API_KEY={secret}"
    expect(plain.get_by_text("Select it and copy it.")).to_be_visible()
    assert call(server, secret, "/me").body["data"]["project"]["name"] == "Tide tables"
    plain.get_by_role("link", name="Back to the API keys").click()
    expect(plain).to_have_url(re.compile(f"{settings_page(Project.objects.get())}#api-keys$"))


def test_signing_in_leads_back_to_where_one_was_going_and_signing_out_ends_it(plain, owner, project, api_key):
    plain.goto(settings_page(project))
    plain.locator("input[name=login]").fill(owner.email)
    plain.locator("input[name=password]").fill(PASSWORD)
    plain.locator("input[name=password]").press("Enter")
    expect(plain).to_have_url(re.compile(f"{settings_page(project)}$"))
    plain.get_by_role("link", name="Sign out").click()
    button(plain.get_by_role("main"), "Sign out").click()
    expect(plain).to_have_url(re.compile("/accounts/login/"))
    plain.goto(settings_page(project))
    expect(plain).to_have_url(re.compile("/accounts/login/"))


def test_reveal_leads_to_a_page_with_the_secret_that_is_not_stored(on_settings, api_key):
    with on_settings.expect_response("**/reveal/") as answered:
        button(on_settings, "Reveal Production server").click()
    assert "no-store" in answered.value.headers["cache-control"]
    expect(on_settings.get_by_label("API key")).to_have_value(api_key.secret)
    expect(on_settings.get_by_label("API key")).not_to_be_editable()


def test_pause_undo_and_re_enable(on_settings, server, api_key):
    on_settings.set_viewport_size({"width": 360, "height": 740})
    button(row(on_settings, "Production server"), "Pause").click()
    said(on_settings, "Paused Production server.")
    _is_above_the_announcement(on_settings, button(on_settings, "Delete project…"))
    assert call(server, api_key.secret).code == "key_paused"
    expect(row(on_settings, "Production server").locator(".badge")).to_have_text("Paused")
    button(on_settings, "Undo").click()
    said(on_settings, "Re-enabled Production server.")
    assert call(server, api_key.secret).status == 200
    switch(on_settings, "Production server").click()
    said(on_settings, "Paused Production server.")
    assert call(server, api_key.secret).code == "key_paused"
    button(row(on_settings, "Production server"), "Re-enable").click()
    said(on_settings, "Re-enabled Production server.")
    assert call(server, api_key.secret).status == 200


def _is_above_the_announcement(page, control):
    """At the end of the page, where one cannot scroll further."""
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    place, line = control.bounding_box(), page.locator(".announcement").bounding_box()
    assert place["y"] + place["height"] <= line["y"]


def test_the_ways_out_of_a_paused_row_stand_apart(on_settings):
    line = row(on_settings, "Production server")
    button(line, "Pause").click()
    re_enable, more = (button(line, name).bounding_box() for name in ("Re-enable", "More"))
    assert re_enable["x"] + re_enable["width"] <= more["x"]


def test_re_enable_in_quick_start_returns_to_the_dashboard(on_settings, project, api_key):
    button(row(on_settings, "Production server"), "Pause").click()
    said(on_settings, "Paused")
    on_settings.goto(dashboard(project))
    button(on_settings, "Re-enable").click()
    expect(on_settings).to_have_url(re.compile(f"{dashboard(project)}$"))
    said(on_settings, "Re-enabled Production server.")


def test_create_on_a_page_of_its_own_with_its_errors_beside_the_field(on_settings, project):
    on_settings.get_by_role("link", name="+ Create Key").click()
    expect(on_settings.get_by_label("Name")).to_have_value("Default key")
    on_settings.get_by_label("Name").fill("Production server")
    button(on_settings, "Create key").click()
    expect(on_settings.get_by_label("Name")).to_have_value("Production server")
    expect(on_settings.get_by_label("Name")).to_have_accessible_description(
        re.compile("already has a key of that name")
    )
    on_settings.get_by_label("Name").fill("Another")
    button(on_settings, "Create key").click()
    expect(on_settings.get_by_role("group", name="New API key Another")).to_be_visible()
    assert project.api_keys.count() == 2


def test_delete_on_the_page_that_the_menu_leads_to(on_settings, server, api_key):
    open_deletion(on_settings, "Production server")
    expect(on_settings.get_by_role("heading", name="Delete “Production server”?")).to_be_visible()
    expect(on_settings.get_by_text("This cannot be undone.")).to_be_visible()
    button(on_settings, "Delete key").click()
    said(on_settings, "Deleted Production server.")
    assert call(server, api_key.secret).code == "key_deleted"


def test_delete_on_a_page_of_its_own_that_asks_for_the_name_of_a_busy_key(on_settings, server, api_key):
    assert call(server, api_key.secret).status == 200
    until_used(on_settings, "Production server")
    open_deletion(on_settings, "Production server")
    on_settings.wait_for_url(lambda url: urlsplit(url).path == key_page(api_key))
    on_settings.get_by_role("link", name="Cancel").click()
    expect(on_settings).to_have_url(re.compile(f"#row-{api_key.public_id}$"))
    on_settings.goto(key_page(api_key))
    field = on_settings.get_by_label("Type Production server to confirm")
    field.fill("wrong")
    button(on_settings, "Delete key").click()
    expect(on_settings.get_by_role("alert")).to_contain_text("Type the name exactly: Production server")
    expect(field).to_have_value("wrong")
    field.fill("Production server")
    button(on_settings, "Delete key").click()
    said(on_settings, "Deleted Production server.")
    api_key.refresh_from_db()
    assert api_key.state == KeyState.DELETED


def test_rename_and_delete_the_project(on_settings, server, project, api_key):
    on_settings.get_by_label("Project name").fill("Acme Climate")
    button(on_settings, "Rename").click()
    said(on_settings, "Renamed the project to Acme Climate.")
    button(on_settings, "Delete project…").click()
    on_settings.get_by_label("Type Acme Climate to confirm").fill("Acme Weather")
    button(on_settings, "Delete project").click()
    expect(on_settings.get_by_text("Type the name exactly: Acme Climate")).to_be_visible()
    on_settings.get_by_label("Type Acme Climate to confirm").fill("Acme Climate")
    button(on_settings, "Delete project").click()
    said(on_settings, "Deleted Acme Climate. Requests using its keys are now rejected.")
    assert call(server, api_key.secret).code == "key_deleted"


def test_search_filter_and_pages(plain, sign_in, owner, project):
    many_keys(project, 25)
    create_key(project=project, name="Needle", by=owner)
    sign_in(plain, owner)
    plain.goto(settings_page(project))
    plain.get_by_role("navigation", name="Pages").get_by_role("link", name="Next").click()
    expect(plain.get_by_role("navigation", name="Pages")).to_contain_text("Page 2 of 3")
    plain.get_by_role("searchbox", name="Search keys").fill("needle")
    button(plain, "Search").click()
    expect(plain.locator(".key-name")).to_have_text(["Needle"])
    button(row(plain, "Needle"), "Pause").click()
    said(plain, "Paused Needle.")
    plain.get_by_role("combobox", name="Status").select_option("Paused")
    button(plain, "Search").click()
    expect(plain).to_have_url(re.compile("state=paused"))
    expect(plain.locator(".key-name")).to_have_text(["Needle"])
    for page_number in range(22):
        other_project(owner, f"Project {page_number}")
    plain.goto("/projects/")
    plain.get_by_role("link", name="Next").click()
    expect(plain.get_by_role("navigation", name="Pages")).to_contain_text("Page 2 of 2")
    plain.get_by_role("searchbox", name="Search projects").fill("acme")
    button(plain, "Search").click()
    expect(plain.locator(".row-main")).to_have_text(["Acme Weather"])


def test_a_secret_is_not_searched_for(plain, sign_in, owner, project):
    """T30: the browser itself refuses to send the secret, because it would appear in the URL."""
    create_key(project=project, name="Another", by=owner)
    secret = create_key(project=project, name="Production", by=owner).secret
    for number in range(21):
        other_project(owner, f"Project {number}")
    sign_in(plain, owner)
    for path in (settings_page(project), "/projects/"):
        plain.goto(path)
        plain.get_by_role("searchbox").fill(f"Bearer {secret}")
        button(plain, "Search").click()
        expect(plain.locator("input[type=search]:invalid")).to_have_count(1)
        expect(plain).to_have_url(re.compile(f"{path}$"))
        plain.get_by_role("searchbox").fill(secret[:7])
        button(plain, "Search").click()
        expect(plain).to_have_url(re.compile(f"q={secret[:7]}"))


def test_tabs_switcher_and_menu_open(on_settings, new_page, sign_in, owner, project):
    on_settings.goto(dashboard(project))
    expect(on_settings.get_by_role("region", name="Ruby snippet")).to_be_hidden()
    on_settings.get_by_text("Ruby", exact=True).click()
    expect(on_settings.get_by_role("region", name="Ruby snippet")).to_be_visible()
    on_settings.locator(".switcher summary").first.click()
    on_settings.get_by_role("link", name="All projects").click()
    expect(on_settings.get_by_role("heading", name="Projects")).to_be_visible()
    narrow = new_page(java_script_enabled=False, viewport={"width": 390, "height": 800})
    sign_in(narrow, owner)
    narrow.goto(onboarding(project))
    button(narrow, "Menu").click()
    narrow.get_by_role("link", name="Activity").click()
    expect(narrow.get_by_role("heading", name="Activity")).to_be_visible()


def test_nothing_is_offered_that_only_script_could_do(on_settings, project):
    for address in (dashboard(project), settings_page(project), onboarding(project), "/help/"):
        on_settings.goto(address)
        expect(on_settings.locator("[data-copy-text], [data-dismiss]").locator("visible=true")).to_have_count(0)
