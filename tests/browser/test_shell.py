"""The parts around the content of every page: menus, announcements, the bar on phones, and printing."""

import re

import pytest
from playwright.sync_api import expect

from apikeys.keys.pausing import pause_key
from tests.browser.places import (
    EACH_BROWSER,
    activity,
    button,
    create_key_in_dialog,
    dashboard,
    furnish,
    many_keys,
    more,
    row,
    said,
    settings_page,
)

PHONE = {"width": 360, "height": 740}


@pytest.fixture
def inside(page, sign_in, owner, project, api_key):
    """The project's dashboard as its owner sees it."""
    sign_in(page, owner)
    page.goto(dashboard(project))
    return page


def focused(page):
    return page.evaluate("document.activeElement.outerHTML.slice(0, 200)")


# Menus


def test_menus_close_on_escape_and_on_a_click_beside_them_and_give_the_focus_back(inside, project):
    many_keys(project, 2)
    inside.reload()
    for menu in (inside.locator(".switcher"), inside.locator(".picker")):
        summary = menu.locator("summary")
        summary.click()
        expect(menu).to_have_attribute("open", "")
        inside.keyboard.press("Tab")
        inside.keyboard.press("Escape")
        expect(menu).not_to_have_attribute("open", "")
        expect(summary).to_be_focused()
        summary.click()
        inside.get_by_role("heading", level=1).click()
        expect(menu).not_to_have_attribute("open", "")
        expect(summary).to_be_focused()
    inside.goto(settings_page(project))
    opener = more(inside, "Production server")
    opener.click()
    expect(button(inside, "Edit")).to_be_visible()
    inside.get_by_role("heading", name="API Keys").click()
    expect(button(inside, "Edit")).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    inside.get_by_label("Project name").click()
    expect(button(inside, "Edit")).to_be_hidden()
    expect(inside.get_by_label("Project name")).to_be_focused()


def test_the_menu_of_a_phone_takes_the_focus_and_lets_it_go(inside):
    inside.set_viewport_size(PHONE)
    button(inside, "Menu").click()
    expect(inside.locator("#menu summary")).to_be_focused()
    inside.locator("#menu summary").click()
    inside.keyboard.press("Escape")
    expect(inside.locator("#menu")).to_be_visible()
    inside.keyboard.press("Escape")
    expect(inside.locator("#menu")).to_be_hidden()
    expect(button(inside, "Menu")).to_be_focused()


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["", "without script"])
def test_a_menu_that_was_opened_on_a_narrow_window_lies_in_the_sidebars_place(
    new_page, sign_in, owner, project, api_key, java_script_enabled
):
    page = new_page(viewport=PHONE, java_script_enabled=java_script_enabled)
    sign_in(page, owner)
    page.goto(dashboard(project))
    button(page, "Menu").click()
    expect(page.locator("#menu")).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 800})
    menu, bar = page.locator("#menu").bounding_box(), page.locator(".sidebar").bounding_box()
    assert menu["x"] >= bar["x"]
    assert menu["x"] + menu["width"] <= bar["x"] + bar["width"]
    brand = page.locator(".sidebar .brand").bounding_box()
    assert menu["y"] >= brand["y"] + brand["height"]


def test_escape_closes_the_phones_menu_and_a_tab_out_of_it_closes_it_too(new_page, sign_in, owner, project, api_key):
    page = new_page(viewport=PHONE)
    sign_in(page, owner)
    page.goto(dashboard(project))
    panel = page.locator("#menu")
    button(page, "Menu").click()
    expect(panel.locator("summary")).to_be_focused()
    page.get_by_role("link", name="Sign out").focus()
    page.keyboard.press("Tab")
    expect(panel).to_be_hidden()
    button(page, "Menu").click()
    expect(panel.locator("summary")).to_be_focused()
    button(page, "Menu").focus()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(button(page, "Menu")).to_be_focused()


def test_arrows_walk_through_the_menu_of_a_row_and_do_not_scroll_the_page(inside, project):
    many_keys(project, 9)
    inside.goto(settings_page(project))
    more(inside, "Production server").click()
    at = inside.evaluate("scrollY")
    inside.keyboard.press("ArrowDown")
    expect(button(inside, "Pause for…")).to_be_focused()
    inside.keyboard.press("ArrowUp")
    expect(button(row(inside, "Production server"), "Delete")).to_be_focused()
    assert inside.evaluate("scrollY") == at


# Announcements


def test_undo_is_one_tab_away_and_stays_and_dismissing_gives_the_focus_back(on_settings, project):
    page = on_settings
    many_keys(project, 9)
    page.clock.install()
    page.reload()
    button(row(page, "Production server"), "Pause").focus()
    page.keyboard.press("Enter")
    said(page, "Paused Production server")
    came_from = focused(page)
    page.clock.run_for(60_000)
    page.keyboard.press("Tab")
    expect(button(page, "Undo")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    assert focused(page) == came_from
    button(page, "Dismiss").click()
    expect(page.locator(".announcement")).to_have_count(0)
    assert focused(page) == came_from


def test_an_announcement_never_covers_the_row_it_is_about(on_settings, project):
    page = on_settings
    many_keys(project, 9)
    page.set_viewport_size({"width": 1280, "height": 500})
    page.reload()
    last = page.locator(".key-row").last
    last.scroll_into_view_if_needed()
    last.get_by_role("button", name="Pause").first.click()
    said(page, "Paused")
    page.wait_for_function("document.activeElement !== document.body")
    line, place = page.locator(".announcement").bounding_box(), page.locator(":focus").bounding_box()
    assert place["y"] + place["height"] <= line["y"]


def test_an_announcement_on_a_phone_is_one_block_and_never_covers_what_one_needs_next(on_settings):
    page = on_settings
    page.set_viewport_size(PHONE)
    create_key_in_dialog(page, "Phone")
    said(page, "Created Phone.")
    expect(page.locator("#new-key")).to_be_focused()
    line, done = page.locator(".announcement"), page.get_by_role("link", name="Done")
    expect(done).to_be_in_viewport(ratio=1)
    box, next_box = line.bounding_box(), done.bounding_box()
    assert next_box["y"] + next_box["height"] <= box["y"]
    button(row(page, "Phone"), "Pause").click()
    said(page, "Paused Phone.")
    words, dismiss = line.locator("> span").bounding_box(), button(line, "Dismiss").bounding_box()
    assert dismiss["y"] < words["y"] + words["height"]
    assert dismiss["x"] >= words["x"] + words["width"]


def test_errors_stand_in_the_open_dialog(on_settings, complaints):
    page = on_settings
    page.route("**/keys/new/", lambda route: route.fulfill(status=503))
    button(page, "+ Create Key").click()
    dialog = page.get_by_role("dialog")
    button(dialog, "Create key").click()
    expect(dialog.get_by_text("The server is not available at the moment.")).to_be_in_viewport()
    expect(page.locator(".announcement")).to_have_count(0)
    complaints.clear()
    page.keyboard.press("Escape")
    button(page, "+ Create Key").click()
    expect(page.get_by_text("The server is not available")).to_have_count(0)


def test_a_dialog_that_opens_again_repeats_what_was_announced(on_settings, project):
    page = on_settings
    page.goto("about:blank")
    page.route("**/settings/", _with_announcement)
    page.goto(f"{settings_page(project)}#open-delete-project")
    expect(page.get_by_role("dialog").get_by_text("Confirmed. Press Delete project again.")).to_be_in_viewport()


def _with_announcement(route):
    answer = route.fetch()
    line = '<div class="announcement"><span>Confirmed. Press Delete project again.</span></div>'
    body = re.sub(r'(id="announcements"[^>]*>)', rf"\1{line}", answer.text())
    route.fulfill(response=answer, body=body)


# Special browsers


def test_without_web_storage_every_script_still_runs(new_page, sign_in, owner, project, api_key):
    page = new_page()
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('off', 'SecurityError') }})"
    )
    sign_in(page, owner)
    page.goto(dashboard(project))
    expect(page.get_by_role("button", name=re.compile("^Copy .*snippet")).first).to_be_visible()
    page.get_by_text("Python", exact=True).click()
    expect(page.get_by_role("region", name="Python snippet")).to_be_visible()


def test_headings_that_an_address_names_stand_below_the_bar_of_phones(new_page, sign_in, owner):
    page = new_page(viewport=PHONE)
    sign_in(page, owner)
    page.goto("/help/#pause")
    bar = page.locator(".sidebar").bounding_box()
    assert page.locator("#pause").bounding_box()["y"] >= bar["y"] + bar["height"]


def test_forced_colours_show_what_is_chosen_and_every_swatch(new_page, sign_in, owner, project):
    """Forced colours remove backgrounds, so every meaning of a background also has a line."""
    furnish(project, owner)
    page = new_page(forced_colors="active")
    sign_in(page, owner)
    colours = "(element, name) => getComputedStyle(element)[name]"
    page.goto(dashboard(project))
    chosen = page.locator(".tabs > input:checked + label").first.evaluate(colours, "borderBottomColor")
    other = page.locator(".tabs > input:not(:checked) + label").first.evaluate(colours, "borderBottomColor")
    assert chosen != other
    page.goto(f"{dashboard(project)}usage/?range=30d")
    swatches = {
        swatch.evaluate("s => getComputedStyle(s).background") for swatch in page.locator(".legend .swatch").all()
    }
    canvas = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert len(swatches) == 2
    assert page.locator(".legend .swatch.allowed").evaluate(colours, "backgroundColor") != canvas
    current = page.locator(".segments a[aria-current]").evaluate(colours, "borderTopColor")
    assert current != page.locator(".segments a:not([aria-current])").first.evaluate(colours, "borderTopColor")
    page.goto(settings_page(project))
    painted = "e => ['::before', '::after'].map(part => getComputedStyle(e, part).backgroundColor)"
    on, off = (page.locator(f".switch{state}").first.evaluate(painted) for state in (".is-on", ":not(.is-on)"))
    assert on[0] != on[1], "the knob is seen"
    assert off[0] != off[1], "the knob is seen"
    assert on[0] != off[0]


def test_the_icon_of_an_event_stands_beside_its_words(new_page, sign_in, owner, project):
    furnish(project, owner)
    page = new_page()
    sign_in(page, owner)
    page.goto(activity(project))
    for width in (320, 360, 599, 600, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for event in page.locator(".event").all()[:3]:
            icon, words = (event.locator(part).bounding_box() for part in (".event-icon", ".row-main"))
            assert icon["x"] + icon["width"] <= words["x"], width
            assert icon["y"] < words["y"] + words["height"], width


# On paper


def test_pages_print_facts_with_exact_times_and_no_controls(inside, owner, project, api_key):
    pause_key(key=api_key, by=owner)
    dated = set()
    for address in (dashboard(project), settings_page(project), activity(project)):
        inside.goto(address)
        inside.emulate_media(media="print")
        for control in ("button", ".button", "nav", ".sidebar", "#announcements", "dialog"):
            shown = [one for one in inside.locator(control).all() if one.is_visible()]
            assert shown == [], control
        for time in inside.locator("main time").all()[:3]:
            exact = time.evaluate("time => getComputedStyle(time, '::after').content")
            assert re.search(r"\d{1,2} \w+ \d{4}(, \d\d:\d\d:\d\d| \(UTC\))", time.get_attribute("title"))
            assert exact in {"attr(title)", f'"{time.get_attribute("title")}"'}
            assert time.evaluate("time => getComputedStyle(time).fontSize") == "0px"
            dated.add(address)
        breaks = inside.locator(".panel").evaluate_all("all => all.map(panel => getComputedStyle(panel).breakInside)")
        assert set(breaks) == {"auto"}
        heading = inside.locator("h2").first
        if heading.count():
            assert heading.evaluate("heading => getComputedStyle(heading).breakAfter") == "avoid"
        inside.emulate_media(media="screen")
    assert dated >= {activity(project)}


@EACH_BROWSER
def test_each_shared_icon_is_drawn(on_settings):
    """The icons of the sidebar and of badges stand in a file of their own, which the content security policy allows."""
    undrawn = (
        "() => [...document.querySelectorAll('use')].filter(icon => icon.checkVisibility() && !icon.getBBox().width)"
    )
    on_settings.wait_for_function(f"!({undrawn})().length")
    sizes = on_settings.locator("svg:has(> use):visible").evaluate_all(
        "icons => icons.map(icon => icon.getBoundingClientRect()).map(({width, height}) => Math.max(width, height))"
    )
    assert 12 < min(sizes) <= max(sizes) <= 24
    assert on_settings.locator(".nav use, .badge use").count() > 10
