"""T29 and T30: traced keys go through a whole visit, and every view fails once. Then everything that remains is
searched.
"""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from apikeys.models import ApiKey
from config.logs import mask_secrets
from projects.audit_log.models import AuditEvent
from projects.models import Project
from tests.browser.conftest import Complaints
from tests.browser.places import button, call, copied_with, create_key_in_dialog, multipart, row, said, switch, until
from tests.support.environment import DATA_DIR, lacking
from tests.support.factories import FileFactory
from tests.support.gateways.proxies import Gateway, find
from tests.support.places.routes import Route, all_routes
from tests.support.programs.servers import Answer, Server
from tests.support.settings.failing import FAILED
from tests.support.stored.leaks import files, found, needles

EMAIL, PASSWORD = "canary@example.com", "correct-horse-battery"
MAIL_PASSWORD = "the-mail-servers-own-password"
# These URLs have no view of Django, or only where addresses are confirmed by a link instead of a code.
NO_VIEW = {"api/v1/verify", "api/v1/verify/<the_clients:below>", r"accounts/^confirm-email/(?P<key>[-:\w]+)/$"}


class AccessLog(Gateway):
    """nginx in front of the server. Its access log contains every part of a request that a log can hold."""

    program = "nginx"
    files = ()

    @property
    def lines(self) -> Path:
        return self.folder / "access.log"

    def arguments(self) -> list[str]:
        folder = self.folder
        kinds = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
        lines = [
            "user root;" if os.geteuid() == 0 else "",
            f"pid {folder}/pid; error_log {folder}/error.log; events {{}}",
            "http { log_format all '$request $status $http_referer $sent_http_location $http_cookie $http_user_agent';",
            f"access_log {self.lines} all;",
            *(f"{kind}_temp_path {folder}/{kind};" for kind in kinds),
            f"server {{ listen 127.0.0.1:{self.port}; location / {{ proxy_set_header Host $http_host;",
            f"proxy_pass http://127.0.0.1:{self.latchkey_port}; }} }} }}",
        ]
        (folder / "nginx.conf").write_text("\n".join(lines))
        return ["-p", str(folder), "-e", "stderr", "-c", f"{folder}/nginx.conf", "-g", "daemon off;"]


@pytest.fixture
def folder() -> Path:
    """A folder in DATA_DIR, so that the search includes it."""
    folder = DATA_DIR / f"canary-{uuid.uuid4().hex}"
    (folder / "answers").mkdir(parents=True)
    return folder


@pytest.fixture
def failing(start_server, folder: Path) -> Server:
    """A server that fails on request and writes its emails to files."""
    server: Server = start_server(
        DJANGO_SETTINGS_MODULE="tests.support.settings.failing",
        EMAIL_URL=f"file:///{folder}/mails",
        EMAIL_VERIFICATION="mandatory",
    )
    return server


@pytest.fixture
def access_log(failing: Server, folder: Path) -> Iterator[AccessLog]:
    if find("nginx") is None:
        lacking("nginx")
    proxy = AccessLog(folder, latchkey_port=failing.port, api_port=0)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def visitor(access_log: AccessLog, browser: Browser, complaints: Complaints) -> Iterator[Page]:
    """A browser whose every request goes through the access log."""
    url = f"http://127.0.0.1:{access_log.port}"
    context = browser.new_context(base_url=url)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
    complaints.watch(context, url)
    yield context.new_page()
    context.close()


def signed_up(page: Page, mails: Path) -> User:
    page.goto(reverse("account_signup"))
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Create account").click()
    expect(page.get_by_label("Code")).to_be_visible()
    until(lambda: bool(codes_in(mails)))
    page.get_by_label("Code").fill(codes_in(mails)[-1])
    button(page, "Confirm").click()
    expect(page.get_by_label("Code")).to_be_hidden()
    return User.objects.get(email=EMAIL)


def codes_in(mails: Path) -> list[str]:
    text = "\n".join(mail.read_text() for mail in mails.iterdir()) if mails.exists() else ""
    return re.findall(r"^([A-Z0-9]+(?:-[A-Z0-9]+)*)$", text, re.M)


def looked_after(page: Page) -> list[str]:
    """A visit from the first project to the last page, with every action on keys. Returns the secrets."""
    page.goto(reverse("projects:create"))
    page.get_by_label("Project name").fill("Canary")
    button(page, "Create project").click()
    button(page, "Generate Key").click()
    first = copied_with(page, button(page, "Copy"))
    page.get_by_role("link", name="Settings", exact=True).click()
    create_key_in_dialog(page, "Second")
    panel = page.get_by_role("group", name="New API key Second")
    second = copied_with(page, button(panel, "Copy"))
    button(panel, "Copy .env line with Second").click()
    said(page, ".env line copied")
    button(row(page, "Second"), "Reveal Second").click()
    expect(row(page, "Second").locator("[data-mask]")).to_have_text(second)
    page.locator("input[name=q]").fill(second)
    page.keyboard.press("Enter")
    expect(row(page, "Default key")).to_be_hidden()
    switch(page, "Second").click()
    said(page, "Paused")
    button(page, "Undo").click()
    said(page, "Re-enabled")
    for name in ("Dashboard", "Usage", "Activity", "Help"):
        page.get_by_role("link", name=name, exact=True).click()
    return [first, second]


def called(server: Server, secrets: list[str]) -> None:
    """Calls of programs with the keys, and mistakes that people make with a key."""
    for secret in secrets:
        for path in ("/me", "/files", "/verify"):
            assert call(server, secret, path).status in {200, 204}
        assert call(server, secret, method="POST", body=multipart("canary.csv", b"1")).status == 201
        for value in (f"Bearer {secret}x", f"Basic {secret}", secret, f"Bearer {secret}, Bearer {secret}"):
            assert server.request("GET", "/api/v1/me", headers={"Authorization": value}).status == 401
        # A secret in a URL that does not exist. The operator's own access log cannot be protected from this.
        for path in (f"/api/v1/files?key={secret}", f"/api/v1/files/{secret}", f"/{secret}"):
            assert server.request("GET", path).status in {401, 404}


class Fails:
    """Sends requests whose views do their work and then fail. Stores the answers in a place that is searched."""

    def __init__(self, server: Server, page: Page, folder: Path) -> None:
        self.server, self.folder, self._numbers = server, folder / "answers", count()
        cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
        self.headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            "X-CSRFToken": cookies[settings.CSRF_COOKIE_NAME],
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> Answer:
        answer = self.server.request(method, path, body, self.headers | headers)
        content = repr(answer.headers.items()).encode() + answer.body
        (self.folder / str(next(self._numbers))).write_bytes(content)
        return answer

    def everywhere(self, project: Project, key: ApiKey, secret: str) -> None:
        file = FileFactory(project=project)
        ids = {"project_id": project.public_id, "key_id": key.public_id, "file_id": file.public_id}
        # Deletions come last, because the other views need the objects.
        routes = sorted(all_routes(), key=lambda route: ("delete" in route.pattern, len(route.pattern)))
        for method in ("GET", "POST"):
            for route in routes:
                if method == "GET" or route.is_page or route.is_api:
                    self.fail(method, route, ids, secret)
        log = self.server.log_text()
        failed = set(re.findall(rf"{FAILED} after \w+ ([^:]+):", log))
        # The log masks the address of a row that has no public id, because it looks like a secret.
        logged = {route.pattern: mask_secrets(None, "", route.path(**ids)) for route in routes}
        assert {pattern for pattern, path in logged.items() if path not in failed} == NO_VIEW

    def fail(self, method: str, route: Route, ids: dict[str, str], secret: str) -> None:
        headers = {"X-Fail": "1"}
        body = "name=Third&confirmation=Second"
        if route.is_api:
            headers |= {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
            body = f'{{"secret": "{secret}"}}'
        self.ask(method, route.path(**ids), body, **headers)


@contextmanager
def changed(there: str, back: str) -> Iterator[None]:
    """Damages something in the database for a while."""
    with connection.cursor() as cursor:
        cursor.execute(there)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(back)


def without_events() -> Any:
    """No event can be written, so services fail after they have read or made a secret."""
    table = AuditEvent._meta.db_table
    return changed(f"ALTER TABLE {table} RENAME TO gone", f"ALTER TABLE gone RENAME TO {table}")


def a_check_that_breaks() -> Any:
    """The check finds limits that it cannot read, and fails while it has the secret."""
    limits = f"ALTER TABLE {Project._meta.db_table} ALTER limits TYPE"
    return changed(f"{limits} text USING '{{'", f"{limits} jsonb USING NULL")


def test_a_whole_visit_and_a_failure_of_every_view_leave_no_secret_anywhere(
    visitor: Page, failing: Server, access_log: AccessLog, folder: Path
) -> None:
    """T29, T30: log, emails, error pages, access log, database and DATA_DIR."""
    user = signed_up(visitor, folder / "mails")
    secrets = looked_after(visitor)
    called(failing, secrets)
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    project = Project.objects.get(name="Canary")
    key = project.api_keys.get(name="Second")
    fails = Fails(failing, visitor, folder)
    with without_events():
        for action in ("copy", "reveal", "pause", "delete"):
            for accept in ("application/json", "text/html"):
                url = reverse(f"apikeys:{action}", args=[project.public_id, key.public_id])
                assert fails.ask("POST", url, "confirmation=Second", Accept=accept).status == 500, action
        assert fails.ask("POST", reverse("apikeys:create", args=[project.public_id]), "name=Fourth").status == 500
    with a_check_that_breaks():
        bearer = f"Bearer {secrets[0]}"
        assert fails.ask("GET", "/api/v1/verify", Authorization=bearer).status == 503
        assert fails.ask("GET", "/api/v1/me", Authorization=bearer).status == 503
    fails.everywhere(project, key, secrets[0])
    # Keys that the failing views created have secrets that nobody has seen.
    assert found(secrets) == []
    assert [place for place, content in files() if _is_told(content)] == []
    assert_something_was_searched(failing, access_log, folder)


def _is_told(content: bytes) -> bool:
    """Whether the text contains the ring, a pepper or the secret key."""
    configured = [settings.SECRET_KEY, *(ring.partition(":")[2] for ring in (settings.KEY_RING, settings.KEY_PEPPERS))]
    return any(secret.encode() in content for secret in configured)


def assert_something_was_searched(server: Server, access_log: AccessLog, folder: Path) -> None:
    assert len(access_log.lines.read_text().splitlines()) > 25
    assert "/copy/" in access_log.lines.read_text()
    assert "Traceback" in server.log_text()
    assert any((folder / "mails").iterdir())
    assert len(list((folder / "answers").iterdir())) > len(all_routes())
    searched = {place for place, _ in files()}
    assert {str(server.log), str(access_log.lines)} <= searched


def test_a_technical_error_page_hides_secrets_too(visitor: Page, start_server, folder: Path, access_log) -> None:
    """T29: Django's error page with DEBUG on. Keys of a local server are real keys."""
    user = signed_up(visitor, folder / "mails")
    secrets = looked_after(visitor)
    server = start_server(DEBUG="true", EMAIL_URL=f"smtp://latchkey:{MAIL_PASSWORD}@127.0.0.1:1")
    project = Project.objects.get(created_by=user)
    key = project.api_keys.get(name="Second")
    fails = Fails(server, visitor, folder)
    url = reverse("apikeys:copy", args=[project.public_id, key.public_id])
    with without_events():
        page = fails.ask("POST", url, "confirmation=Second").body
    assert b"_read_secret" in page, "this is Django's error page"
    assert [needle for secret in secrets for needle in needles(secret) if needle in page] == []
    assert not _is_told(page)
    assert MAIL_PASSWORD.encode() not in page
