"""Helpers that browser tests share: addresses, parts of pages, and calls of programs."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key, report_leak
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from apikeys.usage import counting
from projects.audit_log.models import AuditEvent
from projects.models import Project
from tests.support.factories import ApiKeyFactory, FileFactory, MembershipFactory, ProjectFactory
from tests.support.programs.servers import Server

# A test runs once in each of these browsers of conftest.py.
EACH_BROWSER = pytest.mark.parametrize("browser", ["chromium", "firefox"], indirect=True)
SECRET = re.compile(r"lk_[0-9A-Za-z]{36}")


# A program with a key


class Answer(NamedTuple):
    """An answer to a program. `code` is the envelope's code, or None on success."""

    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> str | None:
        return self.error and self.error["code"]

    @property
    def error(self) -> Any:
        return self.body["error"] if isinstance(self.body, dict) else None


def call(
    server: Server, secret: str, path: str = "/files", *, method: str = "GET", body: bytes | None = None
) -> Answer:
    """One real HTTP request with the key."""
    headers = {"Authorization": f"Bearer {secret}"}
    if body is not None:
        headers["Content-Type"] = "multipart/form-data; boundary=edge"
    request = urllib.request.Request(server.url + "/api/v1" + path, headers=headers, method=method, data=body)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  our own server
            text = answer.read()
            return Answer(answer.status, _json(text, answer.headers), answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _json(error.read(), error.headers), error.headers)


def _json(text: bytes, headers: Any) -> Any:
    return json.loads(text) if text and headers.get("Content-Type", "").startswith("application/json") else text


def multipart(name: str, content: bytes) -> bytes:
    """The body of an upload with the boundary `edge`."""
    head = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n'
    return head.encode() + content + b"\r\n--edge--\r\n"


# Addresses


def dashboard(project: Project) -> str:
    return reverse("apikeys:dashboard", args=[project.public_id])


def settings_page(project: Project) -> str:
    return reverse("apikeys:settings", args=[project.public_id])


def onboarding(project: Project) -> str:
    return reverse("apikeys:onboarding", args=[project.public_id])


def activity(project: Project) -> str:
    return reverse("apikeys:activity", args=[project.public_id])


def show_once_page(project: Project) -> str:
    return reverse("apikeys:show_once", args=[project.public_id])


def usage_page(project: Project) -> str:
    return reverse("apikeys:usage", args=[project.public_id])


def members_page(project: Project) -> str:
    return reverse("projects:members", args=[project.public_id])


def key_page(key: ApiKey, action: str = "delete") -> str:
    return reverse(f"apikeys:{action}", args=[key.project.public_id, key.public_id])


# Parts of a page


def row(page: Page, name: str) -> Locator:
    """A key's row in the API Keys section."""
    return page.locator(".key-row").filter(has=page.locator(".key-name", has_text=re.compile(f"^{re.escape(name)}$")))


def names(page: Page) -> list[str]:
    return page.locator(".key-name").all_text_contents()


def switch(page: Page, name: str) -> Locator:
    """The button that pauses or re-enables the key. Its text says which."""
    return row(page, name).locator(".switch")


def more(page: Page, name: str) -> Locator:
    """The button of the menu in a key's row."""
    return button(row(page, name), "More")


def open_deletion(page: Page, name: str) -> None:
    """Chooses Delete in the menu of a key's row. This opens a dialog, or a page without script."""
    more(page, name).click()
    button(row(page, name), "Delete").click()


def button(place: Page | Locator, name: str) -> Locator:
    """The button with exactly this accessible name."""
    return place.get_by_role("button", name=name, exact=True)


# Every announcement that no test has met yet. MEET marks an announcement, and the mark goes with its words.
UNMET = ":is(#announcements > *, dialog[open] [data-dialog-status]):not(:has([data-met]))"
MEET = """lines => lines.forEach(line => {
  const last = line.lastElementChild ?? line.appendChild(document.createElement('i'))
  last.toggleAttribute('data-met', true)
})"""


def said(page: Page, text: str | re.Pattern[str]) -> None:
    """Waits until the live region of the page, or of its open dialog, says `text`. The page is then ready for the next
    action. An announcement is met once, so the same words later mean a new announcement.
    """
    announcement = page.locator(UNMET).filter(has_text=text)
    expect(announcement).not_to_have_count(0)
    announcement.evaluate_all(MEET)
    settled(page)


def settled(page: Page) -> None:
    """Waits until htmx has taken over the new content. Until then (20 ms), the browser would submit a form itself."""
    expect(page.locator(".htmx-added")).to_have_count(0)


def stop_the_clock(page: Page) -> None:
    """From now on, only `page.clock.run_for` moves the page's timers. They were installed before."""
    page.clock.pause_at(timezone.now() + timedelta(hours=1))


def htmx_logged(page: Page, complaints: list[str], status: int) -> None:
    """Messages of htmx in the console: it logs each answer that it was told to reject."""
    until(lambda: page.evaluate("true") and complaints)
    assert [f"Error Code {status}" in line for line in complaints] == [True]
    complaints.clear()


def clipboard(page: Page) -> str:
    return str(page.evaluate("navigator.clipboard.readText()"))


def copied_with(page: Page, place: Locator, *, saying: str = "copied") -> str:
    """The text that a Copy button puts on the clipboard."""
    page.evaluate("navigator.clipboard.writeText('')")
    place.click()
    said(page, saying)
    return clipboard(page)


def stored(page: Page) -> str:
    """Everything in the page's web storage."""
    return str(page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, history.state])"))


def create_key_in_dialog(page: Page, name: str) -> None:
    button(page, "+ Create Key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    button(dialog, "Create key").click()
    shown_once = page.get_by_role("dialog", name=f"{name} is ready")
    expect(page.get_by_role("group", name=f"New API key {name}").or_(shown_once)).to_be_visible()
    settled(page)


def until_used(page: Page, name: str) -> None:
    """Reloads until the page shows the key's first call. Calls are written in batches, soon after they are made."""

    def is_used() -> bool:
        page.reload()
        return not row(page, name).get_by_text("Never used").count()

    until(is_used)


def until(happened: Callable[[], object]) -> None:
    """Asks until the answer is true. Raises AssertionError after a minute."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Content


def used(key: ApiKey, ago: timedelta) -> None:
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now() - ago, last_used_address="203.0.113.7")


def many_keys(project: Project, number: int, **fields: Any) -> list[ApiKey]:
    """`number` living keys, more than any limit allows, as `create_key` would write them."""
    keys = ApiKeyFactory.build_batch(number, project=project, responsible=project.created_by, **fields)
    return ApiKey.objects.bulk_create(keys)


def furnish(project: Project, owner: User) -> list[ApiKey]:
    """Gives a project everything that its pages can show. Returns an active, a paused, a busy and a deleted key."""
    many_keys(project, 12)
    report_leak(secret=create_key(project=project, name="Found in a repository", by=owner).secret)
    active, paused, busy, gone = (
        create_key(project=project, name=name, by=owner).key
        for name in (
            "Production server",
            "Nightly backup",
            "Mobile app with a rather long name, for narrow screens",
            "Old",
        )
    )
    pause_key(key=paused, by=owner)
    delete_key(key=gone, by=owner)
    ApiKey.objects.filter(pk=busy.pk).update(last_used_at=timezone.now(), last_used_address="2001:db8:40::17")
    AuditEvent.objects.bulk_create(
        AuditEvent(project=project, key=active, kind="copied", by=owner, address="2001:db8:40::17") for _ in range(30)
    )
    many_calls(busy, hours=24 * 35)
    many_calls(paused, hours=30, refused_as="paused")
    FileFactory.create_batch(3, project=project, created_by=owner)
    FileFactory(project=project, created_by=owner, name="a-file-name-without-any-space-in-it-" * 3 + ".csv")
    for key in (active, paused, busy, gone):
        key.refresh_from_db()
    return [active, paused, busy, gone]


def many_calls(key: ApiKey, *, hours: int, refused_as: str | None = None) -> None:
    """Calls in each of the last `hours` hours, in different numbers."""
    now = timezone.now().timestamp()
    for ago in range(hours):
        for outcome in ("ok", refused_as) if refused_as else ("ok",):
            for _ in range(1 + ago * 7 % 12):
                counting.record(key.pk, outcome, now - ago * 3600, "203.0.113.7")
    counting.flush()


def other_project(owner: User, name: str, state: KeyState | None = None) -> Project:
    """Another project of `owner`, with one key in `state` or without keys."""
    project: Project = ProjectFactory(name=name, created_by=owner)
    MembershipFactory(project=project, user=owner)
    if state:
        key = create_key(project=project, name="Only key", by=owner).key
        if state == KeyState.PAUSED:
            pause_key(key=key, by=owner)
        elif state == KeyState.DELETED:
            delete_key(key=key, by=owner)
    return project
