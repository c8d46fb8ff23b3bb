"""The list of keys and a key's page at every width, with the longest names and a revealed secret."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, report_leak
from apikeys.models import ApiKey
from tests.browser.places import button, key_page, many_calls, more, row, said, settings_page, used

NAMES = ["W" * 64, "checkout_service_eu_west_1_prod", "Leaked", "Until tomorrow", "Ends soon"]
NOTE = (
    "The old checkout is switched off on Sunday. Nobody should miss this key until then, and nobody did in the last "
    "rehearsal. Ask Bea before it is deleted."
)
TWO_LINES = 40  # px, of a note
THREE_LINES = 55  # px, of a badge's words
WIDTHS = [*range(320, 1921, 100), 1080, 1149, 1280]

# Every pair of elements in a row that overlap, and every element that reaches out of the page or its cell.
FAULTS = """async () => {
  const found = []
  // A new size is laid out before the second frame.
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways')
  for (const row of document.querySelectorAll('.key-row')) {
    if (row.scrollHeight > row.clientHeight + 1) found.push(`${row.id} is cut`)
    const cells = [...row.children]
      .flatMap(cell => (getComputedStyle(cell).display === 'contents' ? [...cell.children] : [cell]))
      .filter(cell => cell.getBoundingClientRect().width)
    cells.forEach((cell, place) => {
      if (cell.scrollWidth > cell.clientWidth + 1) found.push(`${cell.className} is cut`)
      const a = cell.getBoundingClientRect()
      for (const other of cells.slice(place + 1)) {
        const b = other.getBoundingClientRect()
        if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
          found.push(`${cell.className} and ${other.className}`)
      }
    })
  }
  return found
}"""


# Each key with a million requests today.
BUSY = """() => document.querySelectorAll('.key-requests a > span').forEach(
  number => {
    number.innerHTML = '1,234,567<small> in 30 days</small><br>1,234,567 today (1,234,567 rejected)'
  })"""


@pytest.fixture
def page(page, sign_in, owner, project):
    keys = [create_key(project=project, name=name, by=owner) for name in NAMES]
    used(keys[0].key, keys[0].key.created_at - keys[0].key.created_at)
    many_calls(keys[0].key, hours=2)
    pause_key(key=keys[1].key, by=owner, note=NOTE)
    report_leak(secret=keys[2].secret)
    pause_key(key=keys[3].key, by=owner, until=timezone.now() + timedelta(hours=22))
    ApiKey.objects.filter(pk=keys[4].key.pk).update(expires_at=timezone.now() + timedelta(days=5))
    sign_in(page, owner)
    page.key = keys[0].key
    return page


def test_nothing_overlaps_is_cut_or_scrolls_sideways_at_any_width(page, project):
    page.goto(settings_page(project))
    button(page, f"Reveal {NAMES[0]}").click()
    said(page, "revealed")
    faults = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        faults |= {width: found} if (found := page.evaluate(FAULTS)) else {}
    assert faults == {}
    page.evaluate(BUSY)
    assert page.evaluate(FAULTS) == []
    assert page.locator(".badge.reported").bounding_box()["height"] < THREE_LINES
    ends = "numbers => numbers.map(number => Math.round(number.getBoundingClientRect().right))"
    assert len(set(page.locator(".key-requests a > span").evaluate_all(ends))) == 1
    page.goto(key_page(page.key, "key"))
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        faults |= {width: found} if (found := page.evaluate(FAULTS)) else {}
    assert faults == {}


def test_a_row_that_gets_more_lines_covers_no_other(page, project):
    """A swapped row keeps its height if it has fewer lines now, and grows if it has more."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(settings_page(project))
    before = row(page, NAMES[4]).bounding_box()["height"]
    more(page, NAMES[4]).click()
    button(row(page, NAMES[4]), "Pause for…").click()
    page.get_by_role("dialog").get_by_label("1 hour").check()
    page.get_by_role("dialog").get_by_label("Note (optional)").fill(NOTE)
    button(page.get_by_role("dialog"), "Pause key").click()
    said(page, "Paused Ends soon for 1 hour")
    assert row(page, NAMES[4]).bounding_box()["height"] > before
    assert page.evaluate(FAULTS) == []


def test_a_note_has_the_width_of_its_row(page, project):
    """P15: in the name's column it had five lines."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(settings_page(project))
    assert page.locator(".key-note", has_text=NOTE).bounding_box()["height"] <= TWO_LINES


def test_selecting_the_page_selects_no_mask(page, project):
    page.goto(settings_page(project))
    page.keyboard.press("Control+A")
    selected = page.evaluate("getSelection().toString()")
    assert NAMES[1] in selected
    assert "••••" not in selected


def test_three_clicks_on_copy_send_one_request(page, project):
    page.goto(settings_page(project))
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/copy/") else None)
    copy = button(page, f"Copy {NAMES[0]}")
    copy.evaluate("button => { button.click(); button.click(); button.click() }")
    expect(page.locator("#announcements")).to_contain_text("API key copied")
    assert len(asked) == 1


def test_columns_stay_where_they_are_when_a_key_is_paused_and_names_use_their_room(page, project):
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(settings_page(project))
    heads = page.locator(".keys thead th")
    before = [head.bounding_box() for head in heads.all()]
    assert row(page, NAMES[1]).locator(".key-name").bounding_box()["height"] < TWO_LINES
    button(row(page, NAMES[0]), "Pause").click()
    said(page, "Paused")
    assert [head.bounding_box()["x"] for head in heads.all()] == [box["x"] for box in before]
