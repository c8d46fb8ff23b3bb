"""The charts on the screen: both themes, wide and narrow, with and without script."""

import csv
import itertools
import re

import pytest
from playwright.sync_api import expect

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key
from tests.browser.places import many_calls, settled, usage_page

RANGES = ["24 hours", "30 days", "12 months"]
# The area that a path covers on the screen, and its paint.
PAINTED = """path => {
  const box = path.getBoundingClientRect(), style = getComputedStyle(path)
  return {width: box.width, height: box.height, fill: style.fill}
}"""


@pytest.fixture
def busy(project, owner, api_key):
    """`api_key` has a month of calls. The key Staging was paused and had some calls rejected."""
    many_calls(api_key, hours=24 * 31)
    staging = create_key(project=project, name="Staging", by=owner).key
    pause_key(key=staging, by=owner)
    many_calls(staging, hours=20, refused_as="paused")
    return staging


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_range_shows_its_chart(theme, width, new_page, sign_in, owner, project, busy):
    page = new_page(color_scheme=theme, viewport={"width": width, "height": 800})
    sign_in(page, owner)
    page.goto(usage_page(project))
    for name in RANGES:
        page.evaluate("document.getElementById('content').dataset.old = ''")
        page.get_by_role("navigation", name="Range").get_by_role("link", name=name).click()
        expect(page.locator("#content[data-old]")).to_have_count(0)
        settled(page)
        link = page.get_by_role("navigation", name="Range").locator("[aria-current=page]")
        expect(link).to_have_text(name)
        chart = page.get_by_role("img", name=f"over the last {name}")
        expect(chart).to_have_accessible_name(re.compile(r": [\d,]+ allowed, [\d,]+ rejected\. The busiest (hour|day)"))
        assert chart.evaluate("chart => chart.getBoundingClientRect().height") == 200
        allowed, refused = (chart.locator(path).evaluate(PAINTED) for path in (".chart-allowed", "[fill^=url]"))
        assert min(allowed["width"], allowed["height"], refused["height"]) > 0
        assert allowed["fill"].startswith("rgb(")
        assert refused["fill"].startswith('url("#stripes")'), "not by colour alone"
        labels = page.locator(".chart-labels text").locator("visible=true")
        boxes = [label.bounding_box() for label in labels.all()]
        assert len(boxes) >= 3
        assert all(left["x"] + left["width"] < right["x"] for left, right in itertools.pairwise(boxes))
        assert min(box["height"] for box in boxes) >= 12
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_colours_follow_the_theme(page, sign_in, owner, project, busy):
    sign_in(page, owner)
    page.goto(usage_page(project))
    seen = set()
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        seen.add(page.locator("path.chart-allowed").evaluate("path => getComputedStyle(path).fill"))
    assert len(seen) == 2


@pytest.mark.parametrize("script", [True, False])
def test_numbers_a_keys_own_chart_and_the_file(script, new_page, sign_in, owner, project, busy):
    page = new_page(java_script_enabled=script)
    sign_in(page, owner)
    page.goto(usage_page(project))
    numbers = page.get_by_role("table", name="Requests per hour over the last 24 hours, newest first")
    expect(numbers).to_be_hidden()
    page.get_by_text("Show the numbers").click()
    expect(numbers.get_by_role("row")).to_have_count(26)
    page.get_by_role("region", name="By key").get_by_role("link", name="Staging").click()
    expect(page.get_by_role("heading", name="Usage of Staging")).to_be_visible()
    expect(page.get_by_role("img")).to_have_accessible_name(re.compile("last 24 hours"))
    with page.expect_download() as started:
        page.get_by_role("link", name="Download CSV").click()
    assert started.value.suggested_filename == f"usage-{project.public_id}-{busy.public_id}-24h.csv"
    with open(started.value.path(), encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    assert len(lines) == 21
    assert {line[2] for line in lines[1:]} == {"Staging"}
    page.get_by_role("link", name="All keys").click()
    expect(page.get_by_role("heading", name="Usage", exact=True)).to_be_visible()


def test_the_sidebar_leads_to_the_page_and_says_where_one_is(page, sign_in, owner, project, api_key):
    sign_in(page, owner)
    page.goto(f"/projects/{project.public_id}/activity/")
    main = page.get_by_role("navigation", name="Main")
    main.get_by_role("link", name="Usage").click()
    expect(page).to_have_url(re.compile(usage_page(project)))
    expect(main.locator("[aria-current=page]")).to_have_text("Usage")
    assert [link.strip() for link in main.get_by_role("link").all_text_contents()][:3] == [
        "Dashboard",
        "Usage",
        "Activity",
    ]
    expect(page.get_by_text("No requests in the last 24 hours.")).to_be_visible()
    page.get_by_role("link", name="Look at 12 months").click()
    expect(page.get_by_text("No requests in the last 12 months.")).to_be_visible()
