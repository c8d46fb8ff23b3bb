"""The bytes of a visit, and layout shifts (experience.md 22)."""

from urllib.request import Request, urlopen

import pytest

from tests.browser.places import (
    activity,
    dashboard,
    furnish,
    key_page,
    onboarding,
    settings_page,
    usage_page,
)

FIRST_VISIT = 60_000
# The API reference's examples take 7 KB of this.
ALL_PAGES = 118_000

OBSERVE_SHIFTS = """
window.shifts = []
new PerformanceObserver(list => shifts.push(...list.getEntries().map(
  entry => [entry.value, ...entry.sources.map(source => source.node?.outerHTML?.slice(0, 80))]
))).observe({type: 'layout-shift', buffered: true})
"""


class Scales:
    """The bytes that a page receives over the network, with headers, compressed as they arrive."""

    def __init__(self, page):
        self.names, self.bytes = {}, {}
        session = page.context.new_cdp_session(page)
        session.on("Network.responseReceived", lambda event: self.names.update({event["requestId"]: event["response"]}))
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")

    def _finished(self, event):
        url = self.names[event["requestId"]]["url"]
        self.bytes[url] = self.bytes.get(url, 0) + event["encodedDataLength"]

    @property
    def total(self):
        return int(sum(self.bytes.values()))


@pytest.fixture
def favicon_bytes(server):
    """Headless browsers do not request the icon, but people's browsers do."""
    with urlopen(Request(f"{server.url}/favicon.ico", headers={"Accept-Encoding": "gzip, br"})) as answer:  # noqa: S310
        return len(answer.read()) + len(str(answer.headers))


def visit(page, address):
    page.goto(address, wait_until="networkidle")


@pytest.fixture
def new_page(new_page):
    """Pages without polling. A page that waits for a first request polls every second, so slow machines would count
    more.
    """

    def make(**options):
        page = new_page(**options)
        page.add_init_script("setInterval = () => 0")
        return page

    return make


def tell(record_testsuite_property, what, scales):
    print(f"{what}: {scales.total / 1000:.1f} KB in {len(scales.bytes)} resources")
    record_testsuite_property(what, scales.total)


@pytest.fixture
def addresses(project, owner):
    active, *_ = furnish(project, owner)
    places = [place(project) for place in (dashboard, settings_page, activity, onboarding)]
    places.append(f"{usage_page(project)}?range=12m")  # the heaviest range
    places += [key_page(active)]
    return [*places, "/projects/", "/projects/new/", "/help/", "/api/v1/docs", "/nothing/"]


def test_a_first_visit_to_the_login_page_transfers_less_than_60_kb(page, favicon_bytes, record_testsuite_property):
    scales = Scales(page)
    visit(page, "/accounts/login/")
    tell(record_testsuite_property, "login", scales)
    assert 5_000 < scales.total + favicon_bytes < FIRST_VISIT


@pytest.mark.parametrize("place", [dashboard, settings_page])
def test_a_first_visit_to_a_page_of_a_project_transfers_less_than_60_kb(
    page, sign_in, owner, project, addresses, favicon_bytes, place, record_testsuite_property
):
    sign_in(page, owner)
    scales = Scales(page)
    visit(page, place(project))
    tell(record_testsuite_property, place.__name__, scales)
    assert 5_000 < scales.total + favicon_bytes < FIRST_VISIT


def test_all_pages_together_transfer_less_than_118_kb(
    page, sign_in, owner, addresses, favicon_bytes, record_testsuite_property
):
    scales = Scales(page)
    visit(page, "/accounts/login/")
    sign_in(page, owner)
    for address in addresses:
        visit(page, address)
    tell(record_testsuite_property, "all pages", scales)
    assert scales.total + favicon_bytes < ALL_PAGES


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_moves_while_a_page_loads(new_page, sign_in, owner, addresses, width):
    page = new_page(viewport={"width": width, "height": 800})
    page.add_init_script(OBSERVE_SHIFTS)
    sign_in(page, owner)
    moved = {}
    for address in addresses:
        visit(page, address)
        # The observer is notified after a frame is shown.
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        moved |= {address: shifts} if (shifts := page.evaluate("shifts")) else {}
    assert moved == {}


def test_a_remembered_tab_does_not_move_the_page(page, sign_in, owner, project, addresses):
    page.add_init_script(OBSERVE_SHIFTS)
    sign_in(page, owner)
    visit(page, dashboard(project))
    page.get_by_text("Go", exact=True).click()
    visit(page, dashboard(project))
    assert page.get_by_role("region", name="Go snippet").is_visible()
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("shifts") == []
