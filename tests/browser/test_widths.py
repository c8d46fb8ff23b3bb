"""No page overlaps itself, is cut off or scrolls sideways, at any width and with any names."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import User
from apikeys.bounds.restrictions import Restrictions
from apikeys.bounds.services import restrict_key
from apikeys.keys.pausing import pause_key
from apikeys.keys.services import copy_secret, create_key, delete_key, report_leak
from apikeys.lifetimes.ends import change_end
from apikeys.refusals import ADDRESS_REFUSED
from apikeys.standing import KeyState
from apikeys.usage import counting
from projects.invitations.services import copy_link
from tests.browser.places import (
    activity,
    dashboard,
    key_page,
    many_calls,
    members_page,
    onboarding,
    settings_page,
    show_once_page,
    usage_page,
    used,
)
from tests.browser.visits import Place, delete_project_dialog, until_a_date
from tests.support.factories import FileFactory, MembershipFactory, UserFactory
from tests.support.people.invitations import invited, path_of

WIDTHS = range(320, 1921, 20)
WIDE = "W" * 64
LONG = "checkout_service_eu_west_1_prod"
ACCOUNT = (
    "email/",
    "password/change/",
    "2fa/",
    "2fa/webauthn/",
    "2fa/webauthn/add/",
    "2fa/totp/activate/",
    "sessions/",
)
ENTRANCE = ("login/", "signup/", "password/reset/")

# The faults of the page at its current width: overlapping rectangles of text and controls; elements that reach beyond
# the window; cut text, unless a title has all of it. Elements that float over the page or scroll in their own box are
# ignored.
MEASURE = """() => {
  const root = document.documentElement, found = []
  if (root.scrollWidth > root.clientWidth) found.push(`scrolls sideways by ${root.scrollWidth - root.clientWidth} px`)
  const floating = '.announcements, .skip-link, .visually-hidden, dialog:not([open]), option, noscript, script, style'
  const boxes = [], dialog = document.querySelector('dialog[open]')
  const add = (element, whole, text, clip) => {
    const box = {top: Math.max(whole.top, clip.top), bottom: Math.min(whole.bottom, clip.bottom)}
    Object.assign(box, {left: Math.max(whole.left, clip.left), right: Math.min(whole.right, clip.right)})
    if (box.right - box.left > 1 && box.bottom - box.top > 1) boxes.push({element, box, text})
  }
  const within = (clip, box) => ({
    top: Math.max(clip.top, box.top), bottom: Math.min(clip.bottom, box.bottom),
    left: Math.max(clip.left, box.left), right: Math.min(clip.right, box.right),
  })
  const walk = (element, scrolls, clip) => {
    if (element.matches(floating) || !element.checkVisibility({visibilityProperty: true})) return
    const style = getComputedStyle(element)
    scrolls ||= ['auto', 'scroll'].includes(style.overflowX)
    if (style.overflowX !== 'visible') clip = within(clip, element.getBoundingClientRect())
    if (style.overflowX === 'hidden' && element.scrollWidth > element.clientWidth + 1 && !element.closest('[title]')
        && element.clientWidth > 1) found.push(`cut: ${element.outerHTML.slice(0, 80)}`)
    if (element.matches('input:not([type=hidden]), select, textarea, svg, img')) {
      if (!element.closest('.chart')) add(element, element.getBoundingClientRect(), element.tagName, clip)
    } else if (element.matches('svg text')) {
      add(element, element.getBoundingClientRect(), element.textContent, clip)
    }
    for (const node of element.childNodes) {
      if (node.nodeType === 1) walk(node, scrolls, clip)
      else if (node.nodeType === 3 && node.data.trim()) {
        const range = document.createRange()
        range.selectNodeContents(node)
        for (const box of range.getClientRects()) {
          add(element, box, node.data.trim(), clip)
          const shown = !scrolls && clip.right - clip.left > 1 && box.width > 1
          if (shown && (box.right > root.clientWidth + 1 || box.left < -1))
            found.push(`outside: ${node.data.trim().slice(0, 60)}`)
        }
      }
    }
  }
  const everything = {top: -Infinity, bottom: Infinity, left: -Infinity, right: Infinity}
  walk(dialog ?? document.body, false, everything)
  boxes.sort((one, other) => one.box.top - other.box.top)
  for (let i = 0; i < boxes.length; i++) {
    const {element, box, text} = boxes[i]
    for (let j = i + 1; j < boxes.length && boxes[j].box.top < box.bottom - 3; j++) {
      const other = boxes[j]
      if (element === other.element || element.contains(other.element) || other.element.contains(element)) continue
      const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left)
      const down = Math.min(box.bottom, other.box.bottom) - other.box.top
      if (across > 1 && down > 3) found.push(`overlap: ${text.slice(0, 40)} | ${other.text.slice(0, 40)}`)
    }
  }
  return [...new Set(found)].slice(0, 3)
}"""


@pytest.fixture
def worst(project, owner):
    """A project with the longest names, and one key of each standing."""
    project.name = "acme_weather_api_production_eu"
    project.save()
    User.objects.filter(pk=owner.pk).update(email=f"{'w' * 52}@example.com")
    owner.refresh_from_db()
    colleague = MembershipFactory(project=project, user=UserFactory(email="colleague_who_has_left@example.com")).user
    names = {
        WIDE: owner, LONG: owner, "Paused " + "M" * 57: owner, "Gone " + "g" * 59: owner, "Deactivated": colleague
    }  # fmt: skip
    active, busy, paused, gone, _ = (create_key(project=project, name=name, by=by).key for name, by in names.items())
    report_leak(secret=create_key(project=project, name="Reported " + "R" * 55, by=owner).secret)
    many_calls(busy, hours=24 * 33)
    many_calls(paused, hours=5, refused_as="paused")
    restrict_key(key=busy, restrictions=Restrictions(networks=("192.0.2.0/24",)), by=owner)
    for address in ("198.51.100.177", "2001:db8:4000:5000::17"):
        counting.record(busy.pk, ADDRESS_REFUSED.outcome, timezone.now().timestamp(), address)
    counting.flush()
    pause_key(key=paused, by=owner, until=timezone.now() + timedelta(days=400), note="N" * 200)
    delete_key(key=gone, by=owner)
    invited(project, owner, f"{'m' * 52}@example.com")
    for key in (active, busy, paused):
        copy_secret(key=key, by=colleague)
    User.objects.filter(pk=colleague.pk).update(is_active=False)
    FileFactory(project=project, created_by=owner, name="a-file-name-without-any-space-in-it-" * 3 + ".csv")
    for key in (active, busy, paused):
        key.refresh_from_db()
    return project, active, busy, paused


def places(worst):
    """A new page needs one line here."""
    project, _, busy, paused = worst
    colleague = project.members.get(email__startswith="colleague")
    settings = settings_page(project)
    return [
        Place("dashboard", dashboard(project)),
        Place("dashboard, paused", f"{dashboard(project)}?key={paused.public_id}"),
        Place("onboarding", onboarding(project)),
        Place("settings", settings),
        Place("settings, deleted keys", f"{settings}?state={KeyState.DELETED}"),
        Place("settings, dialog", settings, delete_project_dialog),
        Place("create key", f"{dashboard(project)}keys/new/"),
        Place("delete key", key_page(busy)),
        Place("pause for", key_page(busy, "pause_for"), until_a_date),
        Place("paused key", key_page(paused, "key")),
        Place("key, addresses rejected", key_page(busy, "key")),
        Place("try it", f"{key_page(busy, 'try')}?method=POST&scope=files:read"),
        Place("stop storing secrets", show_once_page(project)),
        Place("usage", usage_page(project)),
        Place("usage of a key", f"{usage_page(project)}?range=12m&key={busy.public_id}"),
        Place("usage of a month", f"{usage_page(project)}?range=30d"),
        Place("activity", activity(project)),
        Place("members", members_page(project)),
        Place("remove member", f"{members_page(project)}{colleague.public_id}/remove/"),
        Place("hand over", key_page(colleague.keys.get(), "hand_over")),
        Place("leave", f"{members_page(project)}leave/"),
        Place("invitation", path_of(copy_link(invitation=project.invitations.get(), by=project.created_by)[1])),
        Place("delete project", f"{dashboard(project)}delete/"),
        Place("projects", "/projects/"),
        Place("new project", "/projects/new/"),
        Place("help", f"/help/?project={project.public_id}"),
        Place("reference", f"/api/v1/docs?project={project.public_id}"),
        Place("404", "/nothing/"),
        *(Place(name, f"/accounts/{name}") for name in ACCOUNT),
    ]


def at_every_width(page, name, widths=WIDTHS):
    """The faults of the current page, each with its widths. Only the window's width changes."""
    found = {}
    devtools = page.context.new_cdp_session(page)
    for width in widths:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        devtools.send("Emulation.setDeviceMetricsOverride", size)
        for wrong in page.evaluate(MEASURE):
            found.setdefault(f"{name}: {wrong}", []).append(width)
    devtools.send("Emulation.clearDeviceMetricsOverride")
    devtools.detach()
    return {wrong: f"{len(widths)} widths from {widths[0]} to {widths[-1]} px" for wrong, widths in found.items()}


def faults(page, visited, widths=WIDTHS):
    """The faults of all these pages. Each one is loaded once."""
    found = {}
    for place in visited:
        page.goto(place.address)
        place.prepare(page)
        found |= at_every_width(page, place.name, widths)
    return found


def test_nothing_overlaps_is_cut_or_scrolls_sideways_at_any_width(page, sign_in, owner, worst):
    used(worst[1], ago=timedelta(days=40))
    sign_in(page, owner)
    page.emulate_media(reduced_motion="reduce")
    assert faults(page, places(worst)) == {}


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_times_wrap_in_zones_with_long_names(new_page, sign_in, owner, worst, zone):
    """An exact time is then as long as "26 February 2027, 09:30 GMT+5:45"."""
    project, active, _, paused = worst
    change_end(key=active, expires_at=timezone.now() + timedelta(days=5), by=owner)
    page = new_page(timezone_id=zone)
    sign_in(page, owner)
    shown = [Place("dashboard", dashboard(project)), Place("activity", activity(project))]
    shown += [Place("settings", settings_page(project))]
    shown += [Place(name, key_page(key, "key")) for name, key in (("active key", active), ("paused key", paused))]
    assert faults(page, shown, [*range(320, 401, 20), 768, 1024, 1280]) == {}
    expect(page.locator('time[data-clock="exact"]').first).to_contain_text("GMT")


def test_nothing_overlaps_on_the_pages_for_strangers(page, person):
    entrance = [Place(name, f"/accounts/{name}") for name in ENTRANCE]
    assert (
        faults(page, [*entrance, Place("help", "/help/"), Place("reference", "/api/v1/docs"), Place("home", "/")]) == {}
    )
