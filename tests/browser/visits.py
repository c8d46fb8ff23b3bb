"""Every page of ours in every visible state, for tests that look at all pages."""

from collections.abc import Callable
from typing import NamedTuple
from uuid import uuid4

from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import Page, expect

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from apikeys.keys.secret_storage import show_secrets_once
from apikeys.models import ApiKey
from apikeys.refusals import ADDRESS_REFUSED
from apikeys.standing import KeyState
from apikeys.usage import counting
from projects.audit_log.models import AuditEvent
from projects.models import Project
from tests.browser.places import (
    activity,
    button,
    create_key_in_dialog,
    dashboard,
    key_page,
    many_keys,
    members_page,
    onboarding,
    open_deletion,
    other_project,
    said,
    settings_page,
    show_once_page,
    switch,
    usage_page,
)


class Place(NamedTuple):
    """A page, and the actions on it before a test looks at it."""

    name: str
    address: str
    prepare: Callable[[Page], object] = lambda page: None


class Furnished(NamedTuple):
    project: Project
    active: ApiKey
    paused: ApiKey
    busy: ApiKey
    gone: ApiKey


def delete_dialog(page, key):
    open_deletion(page, key.name)
    expect(page.get_by_role("dialog")).to_be_visible()


def delete_project_dialog(page):
    button(page, "Delete project…").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def wrong_name(page, key):
    delete_dialog(page, key)
    page.get_by_role("dialog").get_by_role("textbox").fill("wrong")
    button(page.get_by_role("dialog"), "Delete key").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()


def create_dialog(page, name):
    button(page, "+ Create Key").click()
    page.get_by_role("dialog").get_by_label("Name").fill(name)
    if name:
        button(page.get_by_role("dialog"), "Create key").click()
        expect(page.get_by_role("dialog").get_by_text("already has a key of that name")).to_be_visible()


def paused_just_now(page, key):
    switch(page, key.name).click()
    said(page, f"Paused {key.name}")


def revealed(page):
    page.get_by_role("button", name="Reveal").first.click()
    said(page, "revealed for 10 seconds")


def without_clipboard(page):
    page.evaluate("() => { navigator.clipboard.write = () => Promise.reject(new Error('refused')) }")
    button(page, "Copy").first.click()
    expect(page.get_by_label("Press Ctrl+C")).to_be_visible()


def opened(page):
    """Opens every menu on the page."""
    for summary in page.locator("summary").all():
        summary.evaluate("summary => summary.click()")


def create_another(page):
    create_key_in_dialog(page, f"New {uuid4()}")


def shown_once(page):
    page.get_by_label("Name").fill(f"New {uuid4()}")
    button(page, "Create key").click()
    expect(page.get_by_text("Copy it now. You won't see it again.")).to_be_visible()


def submit(page, action):
    """Submits a form without the name that it requires."""
    page.get_by_label("Project name").fill("")
    page.evaluate("document.querySelectorAll('input').forEach(field => field.removeAttribute('required'))")
    button(page, action).click()
    expect(page.locator("[aria-invalid=true]").locator("visible=true")).to_be_visible()


def without_csrf_token(page):
    page.get_by_label("Project name").fill("Too late")
    page.context.clear_cookies(name="csrftoken")
    button(page, "Create project").click()
    expect(page.get_by_role("heading", name="The cookie is missing")).to_be_visible()


def until_a_date(page):
    page.get_by_label("Until a date and time").check()


def bound_key(owner):
    """A read-only key that is bound to addresses, and was tried from others."""
    key = other_project(owner, "Bound", KeyState.ACTIVE).api_keys.get()
    limits = Limits(Limit(100, Window.MINUTE))
    restrict_key(key=key, restrictions=Restrictions(True, None, ("192.0.2.0/24",), limits), by=owner)
    for address in ("198.51.100.7", "2001:db8:40::17"):
        counting.record(key.pk, ADDRESS_REFUSED.outcome, timezone.now().timestamp(), address)
    counting.flush()
    return key


def try_dialog(page):
    button(page, "Try it…").click()
    button(page.get_by_role("dialog"), "Try it").click()
    expect(page.get_by_role("dialog").get_by_text("Rejected")).to_be_visible()


def owners_places(furnished, owner):
    viewer = furnished.project.members.exclude(pk=owner.pk).get()
    project, active, paused, busy, _gone = furnished
    # The viewer has managed keys once.
    AuditEvent.objects.create(project=project, key=paused, kind="copied", by=viewer)
    ApiKey.objects.filter(pk=busy.pk).update(responsible=viewer)
    settings = settings_page(project)
    lonely_paused = other_project(owner, "Paused", KeyState.PAUSED)
    bereft = other_project(owner, "Bereft", KeyState.DELETED)
    begun = other_project(owner, "Begun")
    full = other_project(owner, "Full")
    many_keys(full, 100)
    once = other_project(owner, "Once", KeyState.ACTIVE)
    show_secrets_once(project=once, by=owner)
    bound = bound_key(owner)
    return [
        Place("dashboard", dashboard(project)),
        Place("dashboard, revealed", dashboard(project), revealed),
        Place("dashboard, clipboard refused", dashboard(project), without_clipboard),
        Place("dashboard, copied", dashboard(project), lambda page: button(page, "Copy").click()),
        Place("dashboard, switcher open", dashboard(project), opened),
        Place("dashboard, key paused", dashboard(lonely_paused)),
        Place("dashboard, no key left", dashboard(bereft)),
        Place("onboarding, no key", onboarding(begun)),
        Place("onboarding, key", onboarding(project)),
        Place("settings", settings),
        Place("settings, second page", f"{settings}?page=2"),
        Place("settings, paused", settings, lambda page: paused_just_now(page, active)),
        Place("settings, paused keys", f"{settings}?state=paused"),
        Place("settings, deleted keys", f"{settings}?state=deleted"),
        Place("settings, nothing found", f"{settings}?q=nothing"),
        Place("settings, create dialog", settings, lambda page: create_dialog(page, "")),
        Place("settings, name taken", settings, lambda page: create_dialog(page, paused.name)),
        Place("settings, new key", settings, create_another),
        Place("settings, delete dialog", settings, lambda page: delete_dialog(page, paused)),
        Place("settings, wrong name", f"{settings}?q=mobile", lambda page: wrong_name(page, busy)),
        Place("settings, delete project", settings, delete_project_dialog),
        Place("settings, rename refused", f"{settings}?", lambda page: submit(page, "Rename")),
        Place("settings, no key", settings_page(bereft)),
        Place("settings, at the limit", settings_page(full)),
        Place("create key", f"{dashboard(project)}keys/new/"),
        Place("delete key", key_page(busy)),
        Place("key, addresses rejected", key_page(bound, "key")),
        Place("try it, rejected", f"{key_page(bound, 'try')}?method=POST"),
        Place("try it, allowed", f"{key_page(bound, 'try')}?method=GET&address=192.0.2.9"),
        Place("try it, no address", f"{key_page(bound, 'try')}?method=GET&address=here"),
        Place("try it, dialog", key_page(bound, "key"), try_dialog),
        Place("hand over", key_page(busy, "hand_over")),
        Place("settings, stop storing secrets", settings, lambda page: button(page, "Stop storing secrets…").click()),
        Place("pause for", key_page(busy, "pause_for"), until_a_date),
        Place("end of pause", key_page(paused, "change_end_of_pause"), until_a_date),
        Place("stop storing secrets", show_once_page(project)),
        Place("settings, shown once", settings_page(once)),
        Place("settings, new key shown once", settings_page(once), create_another),
        Place("dashboard, shown once", dashboard(once)),
        Place("onboarding, shown once", onboarding(once)),
        Place("create key, shown once", f"{dashboard(once)}keys/new/", shown_once),
        Place("activity", activity(project)),
        Place("activity, empty", activity(begun)),
        Place("members", members_page(project)),
        Place("members, searched", f"{members_page(project)}?q=nobody"),
        Place("members, the only one", members_page(begun)),
        Place("remove member", f"{members_page(project)}{viewer.public_id}/remove/"),
        Place("leave", f"{members_page(project)}leave/"),
        Place("usage, 24 hours", usage_page(project)),
        Place("usage, numbers shown", f"{usage_page(project)}?range=30d", opened),
        Place("usage, 12 months", f"{usage_page(project)}?range=12m"),
        Place("usage, one key", f"{usage_page(project)}?range=30d&key={paused.public_id}"),
        Place("usage, no calls", f"{usage_page(project)}?key={active.public_id}"),
        Place("usage, no key", usage_page(begun)),
        Place("delete project", f"{dashboard(project)}delete/"),
        Place("projects", "/projects/"),
        Place("projects, searched", "/projects/?q=nothing"),
        Place("new project", "/projects/new/"),
        Place("new project, refused", "/projects/new/", lambda page: submit(page, "Create project")),
        Place("expired form", "/projects/new/", without_csrf_token),
        Place("help", "/help/"),
        Place("API reference", "/api/v1/docs"),
        Place("400", "/projects/?page=zero"),
        Place("404", "/nothing/"),
    ]  # fmt: skip


def viewers_places(furnished):
    project = furnished.project
    return [
        Place("viewer's dashboard", dashboard(project)),
        Place("viewer's settings", settings_page(project)),
        Place("viewer's activity", activity(project)),
        Place("viewer's usage", usage_page(project)),
        Place("viewer's members", members_page(project)),
        Place("leave, viewer", f"{members_page(project)}leave/"),
        Place("viewer's projects", "/projects/"),
        Place("403", onboarding(project)),
    ]


STRANGERS_PLACES = [
    Place("signed out, help", "/help/"),
    Place("signed out, API reference", "/api/v1/docs"),
    Place("signed out, 404", "/nothing/"),
    Place("500", "/broken/500/"),
    Place("503", "/broken/503/"),
]


def answering(body):
    return lambda route: route.fulfill(body=body, content_type="text/html")


def serve_broken_pages(page):
    """Serves the error pages as a failing server renders them. Browser tests do not cause such failures."""
    for status in (500, 503):
        body = render_to_string(f"errors/{status}.html")
        page.route(f"**/broken/{status}/", answering(body))


def secret_page(page, key):
    """The page that Copy leads to without script."""
    page.evaluate(
        "address => { const form = document.getElementById('keys'); form.action = address; form.submit() }",
        key_page(key, "copy"),
    )
    expect(page.get_by_label("API key", exact=True)).to_be_visible()
    page.wait_for_load_state()  # the stylesheet decides the sizes


def visits(pages):
    for page, places in pages:
        for place in places:
            page.goto(place.address)
            place.prepare(page)
            yield place.name, page
