"""The keys' pages, as experience.md 1 to 16 have them."""

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import expect

from apikeys import secret_format
from apikeys.models import ApiKey, KeyEvent, KeyState
from apikeys.services import create_key, delete_key, pause_key
from projects.models import Membership, Project
from projects.permissions import Role
from tests.browser.places import (
    SECRET,
    button,
    clipboard,
    create_key_in_dialog,
    dashboard,
    many_keys,
    names,
    onboarding,
    row,
    said,
    settings_page,
    switch,
)
from tests.factories import UserFactory

PASSWORD = "correct horse battery staple"
CLIPBOARD_REFUSED = "navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
CLIPBOARD_MISSING = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"


@pytest.fixture
def on_settings(page, sign_in, owner, project, api_key):
    """The settings page of a project with one key, seen by its owner."""
    sign_in(page, owner)
    page.goto(settings_page(project))
    return page


def used(key, ago):
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now() - ago, last_used_address="203.0.113.7")


def htmx_logged(complaints, status):
    """htmx writes each answer that it was told to refuse to the console."""
    assert [f"Error Code {status}" in line for line in complaints] == [True]
    complaints.clear()


def stop_the_clock(page):
    """From here on the page's timers move by `page.clock.run_for` alone."""
    page.clock.pause_at(timezone.now() + timedelta(hours=1))


# Creating


def test_enter_is_enough_to_create_a_key_since_a_name_is_proposed(on_settings, project):
    button(on_settings, "+ Create Key").click()
    name = on_settings.get_by_role("dialog").get_by_label("Name")
    expect(name).to_be_focused()
    expect(name).to_have_value("Default key")
    expect(name).to_have_attribute("placeholder", "Production server")
    expect(name).to_have_attribute("maxlength", "64")
    name.press("Enter")
    expect(row(on_settings, "Default key")).to_be_visible()
    assert project.api_keys.filter(name="Default key").count() == 1


def test_a_new_key_has_a_panel_of_its_own_with_mask_copy_reveal_advice_and_env_line(on_settings, project):
    create_key_in_dialog(on_settings, "Staging")
    panel = on_settings.get_by_role("group", name="New API key Staging")
    key = project.api_keys.get(name="Staging")
    expect(panel).to_be_focused()
    expect(panel.locator("[data-mask]")).to_have_text(key.mask)
    expect(button(panel, "Copy")).to_be_visible()
    expect(button(panel, "Reveal Staging")).to_be_visible()
    expect(panel).to_contain_text("environment variable or a secret manager, and out of source control")
    expect(panel).to_contain_text(f"LATCHKEY_API_KEY={key.mask}")
    said(on_settings, "Created Staging")
    button(panel, "Copy .env line with Staging").click()
    said(on_settings, ".env line copied")
    assert re.fullmatch(rf"LATCHKEY_API_KEY={SECRET.pattern}", clipboard(on_settings))


def test_a_name_that_is_taken_is_refused_beside_its_field_and_stays_typed(on_settings):
    button(on_settings, "+ Create Key").click()
    dialog = on_settings.get_by_role("dialog")
    dialog.get_by_label("Name").fill("production SERVER")
    button(dialog, "Create key").click()
    field = dialog.get_by_label("Name")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("production SERVER")
    expect(field).to_have_accessible_description(re.compile("already has a key of that name"))
    expect(dialog).to_be_visible()
    field.fill("Another name")
    button(dialog, "Create key").click()
    expect(row(on_settings, "Another name")).to_be_visible()


def test_a_double_click_on_create_key_creates_one_key(on_settings, project):
    button(on_settings, "+ Create Key").click()
    dialog = on_settings.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Once")
    button(dialog, "Create key").dblclick()
    expect(row(on_settings, "Once")).to_have_count(1)
    assert project.api_keys.count() == 2


def test_a_double_click_on_generate_key_creates_one_key(page, sign_in, owner, project):
    sign_in(page, owner)
    page.goto(onboarding(project))
    button(page, "Generate Key").dblclick()
    expect(page.get_by_role("heading", name="Your API key is ready")).to_be_visible()
    assert project.api_keys.count() == 1
    assert KeyEvent.objects.filter(kind="created").count() == 1


def test_a_double_click_on_create_project_creates_one_project(page, sign_in, owner):
    sign_in(page, owner)
    page.goto("/projects/new/")
    page.get_by_label("Project name").fill("Twice clicked")
    button(page, "Create project").dblclick()
    expect(button(page, "Generate Key")).to_be_visible()
    assert Project.objects.filter(name="Twice clicked").count() == 1


# Copying and revealing


def test_copy_works_without_revealing_and_keeps_the_focus(on_settings, api_key):
    copy = button(on_settings, "Copy Production server")
    copy.click()
    said(on_settings, "API key copied")
    assert clipboard(on_settings) == api_key.secret
    expect(copy).to_be_focused()
    expect(row(on_settings, "Production server").locator("[data-mask]")).to_have_text(api_key.mask)


def test_the_secret_is_in_the_html_neither_before_nor_after_copying(on_settings, api_key):
    assert not SECRET.search(on_settings.content())
    button(on_settings, "Copy Production server").click()
    said(on_settings, "API key copied")
    assert not SECRET.search(on_settings.content())
    values = on_settings.evaluate("[...document.querySelectorAll('input, textarea')].map(field => field.value).join()")
    assert not SECRET.search(values)


def test_copying_shows_a_tick_for_two_seconds(page, sign_in, owner, project, api_key):
    page.clock.install()
    sign_in(page, owner)
    page.goto(dashboard(project))
    copy = button(page, "Copy")
    stop_the_clock(page)
    copy.click()
    expect(copy.locator(".copied-icon")).to_be_visible()
    expect(copy.locator(".copy-icon")).to_be_hidden()
    expect(copy).to_have_accessible_name("Copy")
    expect(copy).to_have_accessible_description("API key Production server")
    page.clock.run_for(1900)
    expect(copy.locator(".copied-icon")).to_be_visible()
    page.clock.run_for(200)
    expect(copy.locator(".copied-icon")).to_be_hidden()
    expect(copy.locator(".copy-icon")).to_be_visible()


def test_a_revealed_secret_hides_again_after_ten_seconds(page, sign_in, owner, project, api_key):
    page.clock.install()
    sign_in(page, owner)
    page.goto(settings_page(project))
    mask = row(page, "Production server").locator("[data-mask]")
    reveal = button(page, "Reveal Production server")
    expect(reveal).to_have_attribute("aria-pressed", "false")
    stop_the_clock(page)
    reveal.click()
    expect(mask).to_have_text(api_key.secret)
    expect(reveal).to_have_attribute("aria-pressed", "true")
    expect(reveal).to_be_focused()
    said(page, "revealed for 10 seconds")
    page.clock.run_for(9900)
    expect(mask).to_have_text(api_key.secret)
    page.clock.run_for(200)
    expect(mask).to_have_text(api_key.mask)
    expect(reveal).to_have_attribute("aria-pressed", "false")
    assert not SECRET.search(page.content())


def test_a_second_press_hides_the_secret_and_a_third_shows_it_for_ten_seconds_again(
    page, sign_in, owner, project, api_key
):
    page.clock.install()
    sign_in(page, owner)
    page.goto(settings_page(project))
    mask = row(page, "Production server").locator("[data-mask]")
    reveal = button(page, "Reveal Production server")
    stop_the_clock(page)
    reveal.click()
    expect(mask).to_have_text(api_key.secret)
    reveal.click()
    expect(mask).to_have_text(api_key.mask)
    page.clock.run_for(6000)
    reveal.click()
    expect(mask).to_have_text(api_key.secret)
    page.clock.run_for(9000)
    expect(mask).to_have_text(api_key.secret)
    page.clock.run_for(1100)
    expect(mask).to_have_text(api_key.mask)


@pytest.mark.parametrize("stub", [CLIPBOARD_REFUSED, CLIPBOARD_MISSING], ids=["refused", "missing"])
@pytest.mark.parametrize("place", [dashboard, settings_page])
def test_without_a_clipboard_the_secret_is_selected_in_a_read_only_field(
    page, sign_in, owner, project, api_key, stub, place
):
    page.add_init_script(stub)
    sign_in(page, owner)
    page.goto(place(project))
    page.get_by_role("button", name=re.compile(r"^Copy( Production server)?$")).click()
    field = page.get_by_label("Press Ctrl+C")
    expect(field).to_have_value(api_key.secret)
    expect(field).to_be_focused()
    expect(field).not_to_be_editable()
    assert field.evaluate("field => field.value.slice(field.selectionStart, field.selectionEnd)") == api_key.secret
    said(page, "press Ctrl+C")
    field.blur()
    expect(field).to_have_count(0)
    assert not SECRET.search(page.content())


def test_every_copy_and_reveal_is_an_event(on_settings, project, api_key):
    button(on_settings, "Copy Production server").click()
    said(on_settings, "API key copied")
    button(on_settings, "Reveal Production server").click()
    said(on_settings, "revealed")
    assert list(project.key_events.values_list("kind", flat=True)) == ["revealed", "copied", "created"]


def test_a_double_click_selects_the_whole_mask(on_settings, api_key):
    row(on_settings, "Production server").locator("[data-mask]").dblclick()
    assert on_settings.evaluate("getSelection().toString().trim()") == api_key.mask


# The list


def test_a_row_says_name_mask_creator_and_that_the_key_was_never_used(on_settings, api_key, owner):
    line = row(on_settings, "Production server")
    for text in ("Production server", api_key.mask, f"by {owner.email}", "Never used"):
        expect(line).to_contain_text(text)
    created = line.locator("time").first
    assert created.get_attribute("datetime") == api_key.created_at.isoformat()
    assert re.search(r"\d{4}, \d\d:\d\d:\d\d UTC", created.get_attribute("title"))


def test_last_use_is_said_in_words_with_the_exact_time_on_hover(page, sign_in, owner, project, api_key):
    used(api_key, timedelta(hours=3))
    sign_in(page, owner)
    page.goto(settings_page(project))
    expect(row(page, "Production server").locator("dl time", has_text="3 hours ago")).to_be_visible()
    expect(row(page, "Production server")).not_to_contain_text("Never used")


def test_without_keys_the_section_says_the_consequence_and_offers_the_button(page, sign_in, owner, project, api_key):
    delete_key(key=api_key, by=owner)
    sign_in(page, owner)
    page.goto(settings_page(project))
    section = page.get_by_role("region", name="API Keys")
    expect(section).to_contain_text("Requests to the API will be refused until you create a key")
    expect(button(section, "+ Create Key")).to_be_visible()
    create_key_in_dialog(page, "The next one")
    assert names(page) == ["The next one"]


def test_one_key_needs_no_search_and_no_pages(on_settings):
    assert names(on_settings) == ["Production server"]
    expect(on_settings.get_by_role("searchbox")).to_have_count(0)
    expect(on_settings.get_by_role("navigation", name="Pages")).to_have_count(0)


def test_at_the_limit_the_section_says_so_in_words(page, sign_in, owner, project):
    many_keys(project, 100)
    sign_in(page, owner)
    page.goto(settings_page(project))
    expect(page.get_by_text("has the most keys it can have")).to_be_visible()
    expect(button(page, "+ Create Key")).to_have_count(0)


def test_a_viewer_sees_why_keys_cannot_be_managed(page, sign_in, viewer, project, api_key):
    sign_in(page, viewer)
    page.goto(settings_page(project))
    expect(page.get_by_text("Only owners of the project can create, pause or delete keys.")).to_be_visible()
    expect(page.get_by_text("Only owners of the project can change or delete it.")).to_be_visible()
    expect(page.get_by_role("switch")).to_have_count(0)
    expect(button(page, "Copy Production server")).to_have_count(0)
    page.goto(dashboard(project))
    expect(page.get_by_text("Only owners of the project can copy or reveal keys.")).to_be_visible()


@pytest.fixture
def thousand(page, sign_in, owner, project):
    """The settings page of a project with 1,000 keys, of which three have "needle" in their names and one is paused."""
    many_keys(project, 996)
    keys = [create_key(project=project, name=f"Needle {number}", by=owner).key for number in (1, 2, 3)]
    pause_key(key=keys[1], by=owner)
    gone = create_key(project=project, name="Gone needle", by=owner).key
    delete_key(key=gone, by=owner)
    sign_in(page, owner)
    page.goto(settings_page(project))
    return page


@pytest.fixture(autouse=True)
def no_limit(settings):
    """The server keeps its limit; the services of a test make as many keys as it needs."""
    settings.MAX_KEYS_PER_PROJECT = 2000


def test_a_thousand_keys_come_in_pages(thousand):
    pager = thousand.get_by_role("navigation", name="Pages")
    expect(pager).to_contain_text("Page 1 of 100")
    assert len(names(thousand)) == 10
    first = names(thousand)
    pager.get_by_role("link", name="Next").click()
    expect(pager).to_contain_text("Page 2 of 100")
    assert not set(first) & set(names(thousand))
    expect(thousand).to_have_url(re.compile(r"page=2#api-keys$"))
    pager.get_by_role("link", name="Previous").click()
    expect(pager).to_contain_text("Page 1 of 100")
    assert names(thousand) == first


def test_a_thousand_keys_are_searched_by_name_and_mask(thousand, project):
    search = thousand.get_by_role("searchbox", name="Search keys")
    search.fill("needle")
    search.press("Enter")
    expect(thousand.locator(".key-row")).to_have_count(3)
    assert names(thousand) == ["Needle 3", "Needle 2", "Needle 1"]
    expect(thousand).to_have_url(re.compile(r"q=needle"))
    expect(search).to_have_value("needle")
    mask = project.api_keys.get(name="Needle 1").mask
    search.fill(mask)
    search.press("Enter")
    expect(thousand.locator(".key-row")).to_have_count(1)
    assert names(thousand) == ["Needle 1"]
    search.fill("nothing is called this")
    search.press("Enter")
    expect(thousand.get_by_text("No key matches “nothing is called this”.")).to_be_visible()
    thousand.get_by_role("link", name="Show all keys").click()
    expect(thousand.locator(".key-row")).to_have_count(10)


@pytest.mark.parametrize("around", ["{}", " {}\n", "LATCHKEY_API_KEY={}", "Authorization: Bearer {}"])
def test_a_secret_that_is_searched_for_stays_out_of_the_address(thousand, around):
    """T30"""
    secret = secret_format.generate("lk_")
    search = thousand.get_by_role("searchbox", name="Search keys")
    search.fill(around.format(secret))
    expect(search).to_have_value(secret[:7])
    search.press("Enter")
    expect(thousand).to_have_url(re.compile(f"q={secret[:7]}&"))


def test_a_thousand_keys_are_filtered_by_state(thousand):
    state = thousand.get_by_role("combobox", name="State")
    state.select_option("Paused")
    expect(thousand.locator(".key-row")).to_have_count(1)
    assert names(thousand) == ["Needle 2"]
    state.select_option("Deleted")
    expect(thousand.locator(".key-name")).to_have_text(["Gone needle"])
    expect(row(thousand, "Gone needle").get_by_role("button")).to_have_count(0)


def test_a_search_stays_after_an_action_and_after_reloading(thousand):
    search = thousand.get_by_role("searchbox", name="Search keys")
    search.fill("needle")
    search.press("Enter")
    expect(thousand.locator(".key-row")).to_have_count(3)
    button(row(thousand, "Needle 1"), "Delete").click()
    button(thousand.get_by_role("dialog"), "Delete key").click()
    expect(thousand.locator(".key-row")).to_have_count(2)
    assert names(thousand) == ["Needle 3", "Needle 2"]
    thousand.reload()
    assert names(thousand) == ["Needle 3", "Needle 2"]
    thousand.go_back()
    expect(thousand.get_by_role("navigation", name="Pages")).to_contain_text("Page 1 of 100")


# Pausing


def test_space_on_the_switch_pauses_and_the_focus_stays(on_settings, api_key):
    control = switch(on_settings, "Production server")
    expect(control).to_be_checked()
    control.focus()
    on_settings.keyboard.press("Space")
    expect(control).not_to_be_checked()
    expect(control).to_be_focused()
    expect(row(on_settings, "Production server").locator(".badge")).to_have_text("Paused")
    api_key.refresh_from_db()
    assert api_key.state == KeyState.PAUSED
    on_settings.keyboard.press("Space")
    expect(control).to_be_checked()
    expect(control).to_be_focused()
    said(on_settings, "Re-enabled Production server.")


def test_pausing_swaps_the_one_row_and_nothing_else(page, sign_in, owner, project, api_key):
    other = create_key(project=project, name="Other", by=owner).key
    sign_in(page, owner)
    page.goto(settings_page(project))
    page.evaluate("for (const row of document.querySelectorAll('.key-row')) row.kept = true")
    switch(page, "Production server").click()
    expect(switch(page, "Production server")).not_to_be_checked()
    kept = page.evaluate("[...document.querySelectorAll('.key-row')].filter(row => row.kept).map(row => row.id)")
    assert kept == [f"row-{other.public_id}"]
    expect(switch(page, "Other")).to_be_checked()


def test_the_announcement_of_a_pause_offers_undo(on_settings, project):
    button(row(on_settings, "Production server"), "Pause").click()
    said(on_settings, "Paused Production server. Requests with it are refused.")
    button(on_settings, "Undo").click()
    expect(switch(on_settings, "Production server")).to_be_checked()
    expect(switch(on_settings, "Production server")).to_be_focused()
    said(on_settings, "Re-enabled Production server.")
    assert list(project.key_events.values_list("kind", flat=True)) == ["resumed", "paused", "created"]


def test_a_paused_row_looks_paused_and_quick_start_says_it_loudly(page, sign_in, owner, project, api_key):
    pause_key(key=api_key, by=owner)
    sign_in(page, owner)
    page.goto(settings_page(project))
    line = row(page, "Production server")
    expect(line).to_have_class(re.compile("is-paused"))
    expect(line.locator(".badge svg")).to_be_visible()
    expect(switch(page, "Production server")).not_to_be_checked()
    page.goto(dashboard(project))
    quick_start = page.get_by_role("region", name="Quick Start")
    expect(quick_start.locator(".badge")).to_have_text("Paused")
    expect(quick_start).to_contain_text("Every request with it is refused.")
    button(quick_start, "Re-enable").click()
    said(page, "Re-enabled Production server.")
    expect(quick_start.locator(".badge")).to_have_text("Active")


def test_a_switch_shows_the_servers_state_when_another_tab_was_faster(on_settings, api_key, owner):
    pause_key(key=api_key, by=owner)
    switch(on_settings, "Production server").click()
    expect(switch(on_settings, "Production server")).not_to_be_checked()
    assert KeyEvent.objects.filter(kind="paused").count() == 1


# Deleting


def test_the_dialog_names_the_key_and_says_what_will_happen(on_settings):
    button(row(on_settings, "Production server"), "Delete").click()
    dialog = on_settings.get_by_role("dialog", name="Delete “Production server”?")
    expect(dialog).to_contain_text("It was never used.")
    expect(dialog).to_contain_text("Requests with it will be refused at once. This cannot be undone.")
    expect(button(dialog, "Cancel")).to_be_focused()
    expect(dialog.get_by_role("textbox")).to_have_count(0)


@pytest.mark.parametrize("way", ["Escape", "Cancel"])
def test_escape_and_cancel_change_nothing(on_settings, api_key, way):
    opener = button(row(on_settings, "Production server"), "Delete")
    opener.click()
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
        button(row(page, name), "Delete").click()
        button(page.get_by_role("dialog"), "Delete key").click()
        expect(row(page, name)).to_have_count(0)
        said(page, f"Deleted {name}. Requests with it are refused for good.")

    delete("First")
    expect(switch(page, "Middle")).to_be_focused()
    delete("Middle")
    expect(switch(page, "Last")).to_be_focused()
    delete("Last")
    expect(page.get_by_role("heading", name="API Keys")).to_be_focused()


def test_a_key_used_this_week_asks_for_its_name(page, sign_in, owner, project, api_key):
    used(api_key, timedelta(days=6))
    sign_in(page, owner)
    page.goto(settings_page(project))
    button(row(page, "Production server"), "Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It was last used 6 days ago from 203.0.113.7, and not once in the last 24 hours.")
    field = dialog.get_by_label("Type Production server to confirm")
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
    button(row(page, "Production server"), "Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It was last used 1 week, 1 day ago")
    expect(dialog.get_by_role("textbox")).to_have_count(0)


def test_deleting_a_project_asks_for_its_name_and_stops_its_keys(on_settings, project):
    button(on_settings, "Delete project").click()
    dialog = on_settings.get_by_role("dialog", name="Delete “Acme Weather”?")
    dialog.get_by_label("Type Acme Weather to confirm").fill("Acme")
    button(dialog, "Delete project").click()
    expect(on_settings.get_by_text("Type the name exactly: Acme Weather")).to_be_visible()
    on_settings.get_by_label("Type Acme Weather to confirm").fill("Acme Weather")
    button(on_settings, "Delete project").click()
    said(on_settings, "Deleted Acme Weather. Its keys have stopped working.")
    project.refresh_from_db()
    assert project.deleted_at is not None


# Other tabs, and logins that end


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
    said(on_settings, "This is not allowed")
    expect(switch(on_settings, "Production server")).to_be_checked()
    htmx_logged(complaints, 403)


def act_on_the_key(page, act):
    dialog = page.get_by_role("dialog")
    if act == "pause":
        switch(page, "Production server").click()
    elif act == "create":
        button(page, "+ Create Key").click()
        button(dialog, "Create key").click()
    elif act == "delete":
        button(row(page, "Production server"), "Delete").click()
        button(dialog, "Delete key").click()
    else:
        button(page, f"{act} Production server").click()


@pytest.mark.parametrize("act", ["pause", "create", "delete", "Copy", "Reveal"])
def test_a_login_that_ended_leads_the_whole_page_to_the_login_and_back(on_settings, owner, project, api_key, act):
    owner.set_password(PASSWORD)
    owner.save()
    Session.objects.all().delete()
    act_on_the_key(on_settings, act)
    on_settings.wait_for_url("**/accounts/login/**")
    expect(on_settings.locator("#api-keys, dialog")).to_have_count(0)
    on_settings.locator("input[name=login]").fill(owner.email)
    on_settings.locator("input[name=password]").fill(PASSWORD)
    on_settings.locator("input[name=password]").press("Enter")
    on_settings.wait_for_url(f"**{settings_page(project)}")
    expect(switch(on_settings, "Production server")).to_be_checked()
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
    htmx_logged(complaints, 404)
    api_key.refresh_from_db()
    assert api_key.state == KeyState.ACTIVE
