"""The page in an operator's name, as people see it: the logo, the colours and the links."""

import pytest

from tests.browser.axe import THEMES, Looks
from tests.browser.places import dashboard, settings_page
from tests.support.programs.servers import Server
from tests.support.settings.branded import SVG, ittybit


@pytest.fixture(scope="module")
def branded_server(django_db_setup, static_files, tmp_path_factory):
    """A yellow accent, which no text on white could have."""
    environment = ittybit(tmp_path_factory.mktemp("brand"), logo=SVG, BRAND_ACCENT="#ffd400")
    with Server.started(DJANGO_SETTINGS_MODULE="tests.support.settings.quick_passwords", **environment) as server:
        yield server


@pytest.fixture
def server(transactional_db, branded_server):
    return branded_server


def test_p21_in_the_operators_name_and_colours_axe_finds_nothing_and_pages_fit(
    new_page, sign_in, owner, project, api_key
):
    """P21, H6: wide and narrow, in both themes, with an accent that has to change for both uses."""
    page = new_page(reduced_motion="reduce")
    found = {}
    for address in ("/accounts/login/", dashboard(project), settings_page(project)):
        if address == dashboard(project):
            sign_in(page, owner)
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(address)
            assert page.title().endswith(" · ittybit")
            assert page.locator("img.brand-logo").evaluate("logo => logo.complete && logo.naturalWidth") > 0
            assert page.get_by_role("link", name="ittybit").is_visible()
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width
            looks = Looks(page)
            found |= {(address, width, theme): looks.violations(theme) for theme in THEMES}
    assert {where: what for where, what in found.items() if what} == {}
    assert len(found) == 12
    button = page.locator(".button.primary").first
    backgrounds = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        backgrounds.append(button.evaluate("button => getComputedStyle(button).backgroundColor"))
    assert backgrounds == ["rgb(132, 109, 0)", "rgb(255, 212, 0)"]
