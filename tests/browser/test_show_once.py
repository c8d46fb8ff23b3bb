"""Secrets that are shown once, as a person sees them, with and without script."""

import re

import pytest
from playwright.sync_api import expect

from apikeys.keys.secret_storage import show_secrets_once
from apikeys.keys.services import create_key
from projects.audit_log.models import AuditEvent
from tests.browser.places import (
    SECRET,
    button,
    call,
    clipboard,
    copied_with,
    create_key_in_dialog,
    dashboard,
    onboarding,
    row,
    said,
    settings_page,
    show_once_page,
    stored,
)
from tests.browser.test_privacy import page_with_memory  # noqa: F401  a fixture

CLIPBOARD_REFUSED = "navigator.clipboard.write = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
ONCE = "Copy it now. You won't see it again."


@pytest.fixture
def once(project, owner):
    show_secrets_once(project=project, by=owner)
    return project


@pytest.fixture
def requests(page):
    """The addresses that the page requests."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


@pytest.fixture
def inside(page, sign_in, owner):
    sign_in(page, owner)
    return page


def new_panel(page, name):
    return page.get_by_role("dialog", name=f"{name} is ready")


# The choice


def test_switching_on_is_confirmed_in_a_dialog_and_switching_off_is_not(inside, server, project, api_key):
    page = inside
    page.goto(settings_page(project))
    button(page, "Stop storing secrets…").click()
    dialog = page.get_by_role("dialog", name="Destroy the stored secret of 1 key?")
    field = dialog.get_by_label("Type Acme Weather to confirm")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button(page, "Stop storing secrets…")).to_be_focused()
    button(page, "Stop storing secrets…").click()
    field.fill("Acme")
    button(dialog, "Destroy stored secrets").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Type the name exactly: Acme Weather")
    expect(field).to_have_value("Acme")
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(re.compile("Type the name exactly"))
    project.refresh_from_db()
    assert not project.show_once
    field.fill("Acme Weather")
    button(dialog, "Destroy stored secrets").click()
    said(page, "Secrets of new keys are no longer stored. The stored secret of 1 key was destroyed.")
    expect(page.get_by_role("group", name="Key storage: secrets are not stored")).to_be_focused()
    expect(row(page, "Production server")).to_contain_text("Not stored")
    expect(button(page, "Copy Production server")).to_have_count(0)
    assert call(server, api_key.secret).status == 200
    button(page, "Store new secrets").click()
    said(page, "Secrets of new keys are now stored and can be copied again.")
    expect(row(page, "Production server")).to_contain_text("Not stored")
    create_key_in_dialog(page, "Newer")
    assert SECRET.fullmatch(copied_with(page, button(row(page, "Newer"), "Copy Newer")))


def test_the_dialog_counts_a_key_that_was_created_since_the_page_came(inside, project, api_key):
    inside.goto(settings_page(project))
    create_key_in_dialog(inside, "Second")
    button(inside, "Stop storing secrets…").click()
    expect(inside.get_by_role("dialog", name="Destroy the stored secrets of 2 keys?")).to_be_visible()


# Creating


def test_a_new_secret_is_copied_and_revealed_without_asking_the_server(inside, server, once, requests):
    page = inside
    page.goto(settings_page(once))
    create_key_in_dialog(page, "Once")
    key = once.api_keys.get()
    panel = new_panel(page, "Once")
    expect(panel).to_contain_text(ONCE)
    expect(panel.locator("[data-mask]")).to_have_text(key.mask)
    assert not SECRET.search(page.content()), "a script removed the secret from the page"
    before = len(requests)
    secret = copied_with(page, button(panel, "Copy"))
    assert call(server, secret).status == 200
    assert not SECRET.search(page.content())
    button(panel, "Reveal Once").click()
    expect(panel.locator("[data-mask]")).to_have_text(secret)
    button(panel, "Hide Once").click()
    expect(panel.locator("[data-mask]")).to_have_text(key.mask)
    assert copied_with(page, button(panel, "Copy .env line with Once")) == f"LATCHKEY_API_KEY={secret}"
    assert requests[before:] == []
    assert not SECRET.search(stored(page) + str(page.context.cookies()) + "".join(requests))
    assert not SECRET.search(server.log_text())
    assert list(AuditEvent.objects.values_list("kind", flat=True)) == ["created", "shown_once"]
    panel.get_by_role("link", name="I have saved it").click()
    said(page, "Created Once.")
    expect(page.get_by_role("heading", name="Once")).to_be_focused()
    expect(panel).to_have_count(0)
    page.goto(settings_page(once))
    expect(row(page, "Once")).to_contain_text("Not stored")


def test_neither_escape_nor_a_click_outside_closes_the_dialog_and_leaving_asks_first(inside, once):
    inside.goto(settings_page(once))
    create_key_in_dialog(inside, "Once")
    panel = new_panel(inside, "Once")
    for _ in range(3):
        inside.keyboard.press("Escape")
    inside.mouse.click(5, 5)
    inside.evaluate("document.getElementById('shown-once').close()")
    expect(panel).to_be_visible()
    asked = []
    inside.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    with inside.expect_event("dialog"):
        inside.evaluate("location.assign('/help/')")
    assert asked == ["beforeunload"]
    expect(panel).to_be_visible()
    assert SECRET.fullmatch(copied_with(inside, button(panel, "Copy")))


def test_generate_key_then_copy_in_one_go(inside, server, once):
    """P5"""
    page = inside
    page.goto(onboarding(once))
    button(page, "Generate Key").click()
    expect(page.get_by_text(ONCE)).to_be_visible()
    assert not SECRET.search(page.content())
    secret = copied_with(page, button(page, "Copy"))
    assert call(server, secret).status == 200
    page.get_by_role("link", name="I have saved it").click()
    expect(page).to_have_url(re.compile(f"{onboarding(once)}$"))
    expect(page.locator("[data-mask]")).to_have_text(once.api_keys.get().mask)
    expect(page.get_by_text("shown once, when the key was created")).to_be_visible()
    expect(button(page, "Copy")).to_have_count(0)


def test_a_double_click_on_generate_key_creates_one_key_and_shows_its_secret(inside, server, once):
    """T14"""
    inside.goto(onboarding(once))
    button(inside, "Generate Key").dblclick()
    expect(inside.get_by_text(ONCE)).to_be_visible()
    assert call(server, copied_with(inside, button(inside, "Copy"))).status == 200
    assert once.api_keys.count() == 1


def test_the_page_of_its_own_shows_the_new_secret_and_names_that_are_taken(inside, server, once, owner):
    create_key(project=once, name="Taken", by=owner)
    inside.goto(dashboard(once))
    expect(inside.get_by_role("link", name="roll the key")).to_be_visible()
    inside.goto(f"{dashboard(once)}keys/new/")
    inside.get_by_label("Name").fill("Taken")
    button(inside, "Create key").click()
    expect(inside.get_by_label("Name")).to_have_accessible_description(re.compile("already has a key of that name"))
    inside.get_by_label("Name").fill("Free")
    button(inside, "Create key").click()
    expect(inside.get_by_text(ONCE)).to_be_visible()
    assert call(server, copied_with(inside, button(inside, "Copy"))).status == 200
    inside.get_by_role("link", name="I have saved it").click()
    expect(inside.get_by_role("heading", name="Free")).to_be_visible()
    expect(inside.get_by_role("main")).to_contain_text("Not stored")


def test_without_a_clipboard_the_secret_is_selected(inside, once):
    inside.add_init_script(CLIPBOARD_REFUSED)
    inside.goto(settings_page(once))
    create_key_in_dialog(inside, "Once")
    copy = button(new_panel(inside, "Once"), "Copy")
    expect(copy).to_be_focused()
    copy.press("Enter")
    expect(inside.get_by_label("Press Ctrl+C")).to_have_value(SECRET)
    inside.keyboard.press("Escape")
    expect(inside.get_by_label("Press Ctrl+C")).to_have_count(0)
    expect(copy).to_be_focused()
    assert not SECRET.search(inside.content())


def test_t32_back_does_not_bring_the_secret_again(page_with_memory, sign_in, owner, once):  # noqa: F811
    """T32"""
    page = page_with_memory
    sign_in(page, owner)
    page.goto(settings_page(once))
    create_key_in_dialog(page, "Once")
    button(new_panel(page, "Once"), "Reveal Once").click()
    expect(new_panel(page, "Once").locator("[data-mask]")).to_have_text(SECRET)
    page.on("dialog", lambda dialog: dialog.accept())  # leaves although the page asks
    page.goto("/help/")
    page.go_back(wait_until="commit")
    expect(row(page, "Once")).to_contain_text("Not stored")
    expect(new_panel(page, "Once")).to_have_count(0)
    assert not SECRET.search(page.content())


# Without script


@pytest.fixture
def plain(new_page, sign_in, owner):
    page = new_page(java_script_enabled=False)
    sign_in(page, owner)
    return page


def test_without_script_switching_on_asks_for_the_name_on_a_page(plain, project, api_key):
    plain.goto(settings_page(project))
    button(plain, "Stop storing secrets…").click()
    expect(plain).to_have_url(re.compile(rf"{show_once_page(project)}\??$"))
    button(plain, "Destroy stored secrets").click()
    expect(plain.get_by_role("alert")).to_contain_text("Type the name exactly: Acme Weather")
    plain.get_by_label("Type Acme Weather to confirm").fill("Acme Weather")
    button(plain, "Destroy stored secrets").click()
    said(plain, "Secrets of new keys are no longer stored.")
    button(plain, "Store new secrets").click()
    said(plain, "can be copied again")


def test_without_script_the_answer_to_the_form_is_the_page_with_the_secret(plain, server, once):
    """T14: reloading this page sends the form again, and the answer says what became of the secret."""
    plain.goto(settings_page(once))
    plain.get_by_role("link", name="+ Create Key").click()
    plain.get_by_label("Name").fill("Plain")
    button(plain, "Create key").click()
    expect(plain.get_by_text(ONCE)).to_be_visible()
    secret = plain.get_by_label("API key", exact=True).input_value()
    assert call(server, secret).status == 200
    assert plain.get_by_label("Line for a .env file").input_value() == f"LATCHKEY_API_KEY={secret}"
    plain.reload()
    expect(plain.get_by_text("The secret was shown once")).to_be_visible()
    expect(plain.get_by_role("link", name="Roll…")).to_be_visible()
    assert not SECRET.search(plain.content())
    assert once.api_keys.count() == 1


def test_without_script_onboarding_goes_on_after_the_secret(plain, once):
    plain.goto(onboarding(once))
    button(plain, "Generate Key").click()
    assert SECRET.fullmatch(plain.get_by_label("API key", exact=True).input_value())
    plain.get_by_role("link", name="I have saved it").click()
    expect(plain.get_by_role("heading", name="Your API key is ready")).to_be_visible()
    assert not SECRET.search(plain.content())


def test_a_page_from_before_the_choice_says_why_copy_does_not_work(inside, project, api_key, owner):
    inside.goto(settings_page(project))
    show_secrets_once(project=project, by=owner)
    button(inside, "Copy Production server").click()
    said(inside, "is not stored. If you lost it, roll the key.")
    assert clipboard(inside) != api_key.secret
