"""Creating, copying and revealing keys (experience.md 1 to 16)."""

import re

import pytest
from playwright.sync_api import expect

from projects.audit_log.models import AuditEvent
from projects.models import Project
from tests.browser.places import (
    SECRET,
    button,
    clipboard,
    create_key_in_dialog,
    dashboard,
    onboarding,
    row,
    said,
    settings_page,
    stop_the_clock,
)

CLIPBOARD_REFUSED = "navigator.clipboard.write = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
CLIPBOARD_MISSING = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"

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


def test_a_typed_name_replaces_the_proposed_name(on_settings):
    button(on_settings, "+ Create Key").click()
    expect(on_settings.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    on_settings.keyboard.type("Staging")
    on_settings.keyboard.press("Enter")
    expect(row(on_settings, "Staging")).to_be_visible()


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
    expect(page.get_by_role("heading", name="Your API key is ready")).to_be_focused()
    assert project.api_keys.count() == 1
    assert AuditEvent.objects.filter(kind="created").count() == 1


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


@pytest.mark.parametrize(
    ("word", "before", "after"), [("Copy", "copy", "check"), ("Reveal", "eye", "eye-slash")], ids=["Copy", "Reveal"]
)
def test_the_icon_in_a_row_says_what_was_done(page, sign_in, owner, project, api_key, word, before, after):
    page.clock.install()
    sign_in(page, owner)
    page.goto(settings_page(project))
    pictures = [row(page, "Production server").locator(f"use[href='#icon-{name}']") for name in (before, after)]
    shown = [[True, False], [False, True]]
    stop_the_clock(page)
    assert [picture.is_visible() for picture in pictures] == shown[0]
    button(page, f"{word} Production server").click()
    expect(pictures[1]).to_be_visible()
    assert [picture.is_visible() for picture in pictures] == shown[1]
    page.clock.run_for(10_100)
    assert [picture.is_visible() for picture in pictures] == shown[0]


def test_a_revealed_secret_hides_again_after_ten_seconds(page, sign_in, owner, project, api_key):
    page.clock.install()
    sign_in(page, owner)
    page.goto(settings_page(project))
    mask = row(page, "Production server").locator("[data-mask]")
    reveal = row(page, "Production server").locator("[data-reveal]")
    expect(reveal).to_have_accessible_name("Reveal Production server")
    stop_the_clock(page)
    reveal.click()
    expect(mask).to_have_text(api_key.secret)
    expect(reveal).to_have_accessible_name("Hide Production server")
    expect(reveal).to_be_focused()
    said(page, "revealed for 10 seconds")
    page.clock.run_for(9900)
    expect(mask).to_have_text(api_key.secret)
    page.clock.run_for(200)
    expect(mask).to_have_text(api_key.mask)
    expect(reveal).to_have_accessible_name("Reveal Production server")
    assert not SECRET.search(page.content())


def test_a_second_press_hides_the_secret_and_a_third_shows_it_for_ten_seconds_again(
    page, sign_in, owner, project, api_key
):
    page.clock.install()
    sign_in(page, owner)
    page.goto(settings_page(project))
    mask = row(page, "Production server").locator("[data-mask]")
    reveal = row(page, "Production server").locator("[data-reveal]")
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


def test_a_phone_without_a_clipboard_says_how_to_copy_by_touch(new_page, sign_in, owner, project, api_key):
    page = new_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page.add_init_script(CLIPBOARD_REFUSED)
    sign_in(page, owner)
    page.goto(dashboard(project))
    button(page, "Copy").tap()
    expect(page.get_by_label("Select and copy")).to_have_value(api_key.secret)
    said(page, "Select the text and copy it.")
    cut = "fields => fields.filter(field => field.scrollWidth > field.clientWidth).map(field => field.textContent)"
    assert page.locator(".snippet pre").locator("visible=true").evaluate_all(cut) == []


def test_every_copy_and_reveal_is_an_event(on_settings, project, api_key):
    button(on_settings, "Copy Production server").click()
    said(on_settings, "API key copied")
    button(on_settings, "Reveal Production server").click()
    said(on_settings, "revealed")
    assert list(project.audit_events.values_list("kind", flat=True)) == ["revealed", "copied", "created"]


def test_a_double_click_on_the_mask_selects_nothing_that_could_be_copied_by_mistake(on_settings, api_key):
    row(on_settings, "Production server").locator("[data-mask]").dblclick()
    assert api_key.mask not in on_settings.evaluate("getSelection().toString()")
