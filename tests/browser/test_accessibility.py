"""WCAG 2.2 AA as far as axe can check it, both themes, narrow screens and target sizes, on every page of ours."""

import pytest
from playwright.sync_api import expect

from apikeys.keys.services import create_key
from tests.browser.axe import THEMES, Looks, violations
from tests.browser.places import activity, button, dashboard, furnish, settings_page, usage_page
from tests.browser.visits import (
    STRANGERS_PLACES,
    Furnished,
    Place,
    owners_places,
    secret_page,
    serve_broken_pages,
    viewers_places,
    visits,
)
from tests.support.factories import MembershipFactory, UserFactory

NARROW = {"width": 320, "height": 640}
WIDE = {"width": 1280, "height": 800}
# Links within a sentence are only as high as its line. WCAG 2.2, 2.5.8 allows that.
SMALL_TARGETS = """() => {
  const shown = element => element.checkVisibility({visibilityProperty: true, opacityProperty: true})
  const inSentence = link => link.matches('a') && getComputedStyle(link).display === 'inline'
    && link.parentElement.textContent.trim() !== link.textContent.trim()
  const hidden = element => element.matches('.visually-hidden, .skip-link')
  const targets = 'a[href], button, input:not([type=hidden]), select, textarea, summary, label[for^=tab-]'
  return [...document.querySelectorAll(targets)]
    .filter(element => shown(element) && !hidden(element) && !inSentence(element))
    .map(element => [element.getBoundingClientRect(), element])
    .filter(([box]) => box.width < 24 || box.height < 24)
    .map(([box, element]) => `${Math.round(box.width)}x${Math.round(box.height)} ${element.outerHTML.slice(0, 90)}`)
}"""


@pytest.fixture
def furnished(project, owner):
    return Furnished(project, *furnish(project, owner))


@pytest.fixture
def pages(new_page, sign_in, owner, viewer, furnished):
    """(page, places) for every kind of visitor."""
    newcomer = UserFactory()

    def seen_by(user, places):
        page = new_page(reduced_motion="reduce")
        serve_broken_pages(page)
        if user:
            sign_in(page, user)
        return page, places

    secret = Place(
        "secret", f"{settings_page(furnished.project)}?q=nightly", lambda page: secret_page(page, furnished.paused)
    )
    return [
        seen_by(owner, [*owners_places(furnished, owner), secret]),
        seen_by(viewer, viewers_places(furnished)),
        seen_by(None, STRANGERS_PLACES),
        seen_by(newcomer, [Place("first project", "/projects/new/"), Place("no project", "/projects/")]),
    ]


def test_axe_finds_nothing_on_any_page_in_either_theme_and_all_fit_320_px_with_targets_of_24_px(pages):
    found, too_small, too_wide, looked = {}, {}, {}, 0
    for name, page in visits(pages):
        # Sizes are measured first, because a revealed secret hides again after ten seconds.
        too_small[name] = page.evaluate(SMALL_TARGETS)
        page.set_viewport_size(NARROW)
        too_small[f"{name}, narrow"] = page.evaluate(SMALL_TARGETS)
        if (width := page.evaluate("document.scrollingElement.scrollWidth")) > NARROW["width"]:
            too_wide[name] = width
        page.set_viewport_size(WIDE)
        looks = Looks(page)
        for theme in THEMES:
            looked += 1
            found[f"{name}, {theme}"] = looks.violations(theme)
    found, too_small = ({where: what for where, what in each.items() if what} for each in (found, too_small))
    print(f"axe looked {looked} times and found {len(found)} violations")
    assert (found, too_small, too_wide) == ({}, {}, {})


def test_axe_finds_nothing_on_narrow_pages_with_the_menu_open(new_page, sign_in, owner, furnished):
    page = new_page(viewport=NARROW, reduced_motion="reduce")
    sign_in(page, owner)
    found = {}
    for place in (dashboard, settings_page, activity, usage_page):
        page.goto(place(furnished.project))
        found[place.__name__] = violations(page)
        button(page, "Menu").click()
        expect(page.locator("#menu")).to_be_visible()
        found[f"{place.__name__}, menu"] = violations(page)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= NARROW["width"]
    assert [broken for broken in found.values() if broken] == []


@pytest.mark.parametrize("address", ["/help/", "/api/v1/docs"])
def test_no_table_is_cut_at_320_px_and_with_room_no_code_breaks(new_page, address):
    page = new_page(viewport=NARROW)
    page.goto(address)
    cut = "tables => tables.map(table => table.scrollWidth > table.clientWidth)"
    assert set(page.locator(".table-scroll").evaluate_all(cut)) == {False}
    page.set_viewport_size({"width": 1280, "height": 800})
    broken = "codes => codes.filter(code => code.getClientRects().length > 1).map(code => code.textContent)"
    assert page.locator("td:first-child code").evaluate_all(broken) == []


def test_axe_finds_nothing_where_the_account_that_created_a_key_is_deactivated(
    new_page, sign_in, owner, project, api_key
):
    colleague = MembershipFactory(project=project).user
    shut = create_key(project=project, name="Nightly backup", by=colleague).key
    type(colleague).objects.filter(pk=colleague.pk).update(is_active=False)
    page = new_page(viewport=NARROW, reduced_motion="reduce")
    sign_in(page, owner)
    found = {}
    for address in (f"{dashboard(project)}?key={shut.public_id}", settings_page(project), usage_page(project)):
        page.goto(address)
        for picker in page.locator(".picker summary").all():
            picker.click()
        expect(page.locator(".badge", has_text="Account deactivated").last).to_be_visible()
        assert page.evaluate("document.scrollingElement.scrollWidth") <= NARROW["width"]
        looks = Looks(page)
        found |= {f"{address}, {theme}": looks.violations(theme) for theme in THEMES}
    assert [broken for broken in found.values() if broken] == []


def test_titles_name_page_and_project(page, sign_in, owner, furnished):
    sign_in(page, owner)
    project = furnished.project
    titles = {
        dashboard(project): "Dashboard · Acme Weather · Latchkey",
        settings_page(project): "Settings · Acme Weather · Latchkey",
        usage_page(project): "Usage · Acme Weather · Latchkey",
        activity(project): "Activity · Acme Weather · Latchkey",
        "/projects/": "Projects · Latchkey",
        "/help/": "Help · Latchkey",
    }
    for address, title in titles.items():
        page.goto(address)
        expect(page).to_have_title(title)
        expect(page.locator("[role=status]#announcements")).to_be_empty()
        for dialog in page.locator("dialog").all():
            assert dialog.locator("[role=status][data-dialog-status]").count() == 1


def test_the_first_tab_stop_skips_to_the_content_and_focus_is_visible(page, sign_in, owner, furnished):
    sign_in(page, owner)
    page.goto(dashboard(furnished.project))
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    assert skip.evaluate("link => getComputedStyle(link).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_reduced_motion_is_honoured(new_page, sign_in, owner, project, api_key):
    MembershipFactory()
    create_key(project=project, name="Second", by=owner)
    page = new_page(reduced_motion="reduce")
    sign_in(page, owner)
    page.goto(settings_page(project))
    longest = page.evaluate(
        """() => Math.max(...[...document.querySelectorAll('*')].flatMap(element => {
          const {transitionDuration, animationDuration} = getComputedStyle(element)
          return `${transitionDuration},${animationDuration}`.split(',').map(parseFloat)
        }))"""
    )
    assert longest <= 0.001
