"""A browser as a person uses it. Console errors, CSP violations and requests to other hosts fail the test.

The browser is Chromium. The tests of P1 to P13 also run in Firefox.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as product_settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright
from pytest_django.fixtures import Settings

from accounts.models import User
from apikeys.models import ApiKey
from projects.models import Project
from tests.browser.accounts import add_authenticator
from tests.browser.places import settings_page
from tests.support.environment import lacking
from tests.support.people.accounts import new_person
from tests.support.people.sessions import log_in
from tests.support.programs.servers import Server

# The longest wait on a busy machine. A test continues as soon as it can.
MILLISECONDS_TO_WAIT = 60_000
expect.set_options(timeout=MILLISECONDS_TO_WAIT)

# Playwright's event loop runs in this thread, so Django would forbid database calls here.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Scripts may use the clipboard without a click or a question. Playwright cannot grant this in Firefox.
FIREFOX_PREFERENCES: dict[str, str | float | bool] = {"dom.events.testing.asyncClipboard": True}
# The same engine without the browser around it costs a third less CPU. It has no back/forward cache.
ENGINE = "chromium-headless-shell"
# A test judges a 4xx of a page itself, so the console's message about it is ignored.
EXPECTED = "Failed to load resource: the server responded with a status of 4"

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (violation) =>
  console.error(`CSP violation: ${violation.violatedDirective} ${violation.blockedURI}`));
"""


@pytest.fixture(scope="session")
def session_server(django_db_setup: None, static_files: None) -> Iterator[Server]:
    """Uses the fast password hash. The real algorithm has its own tests, and a browser cannot see the difference."""
    with Server.started(DJANGO_SETTINGS_MODULE="tests.support.settings.quick_passwords") as server:
        yield server


@pytest.fixture(autouse=True)
def quick_passwords(request: pytest.FixtureRequest, settings: Settings) -> None:
    """The same as in `session_server`. Other servers beside a test know only the real algorithm."""
    if "start_server" not in request.fixturenames:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def launch(playwright: Playwright) -> Callable[..., Browser]:
    """Starts the first program that exists: `launch(*BROWSERS)`. Takes Playwright's options."""
    arguments = ARGUMENTS + (["--no-sandbox"] if os.geteuid() == 0 else [])

    def start(*programs: str, **options: Any) -> Browser:
        path = next(filter(None, map(shutil.which, programs)), None) or lacking("Chromium")
        return playwright.chromium.launch(executable_path=path, args=arguments, **options)

    return start


@pytest.fixture(scope="session")
def chromium(launch: Callable[..., Browser]) -> Iterator[Browser]:
    browser = launch(ENGINE, *BROWSERS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def firefox(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Firefox. Playwright drives it over the standard protocol (WebDriver BiDi), and only through this
    channel.
    """
    path = shutil.which("firefox-esr") or lacking("Firefox (firefox-esr)")
    browser = playwright.firefox.launch(
        channel="moz-firefox", executable_path=path, firefox_user_prefs=FIREFOX_PREFERENCES
    )
    yield browser
    browser.close()


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Browser:
    """Chromium, or the browser of the test's parameter (`EACH_BROWSER`)."""
    browser: Browser = request.getfixturevalue(getattr(request, "param", "chromium"))
    return browser


class Complaints(list[str]):
    """Errors in the background. A test that provokes an error removes it with `complaints.clear()`."""

    def watch(self, context: BrowserContext, origin: str) -> None:
        """Every context of the tests comes here first."""
        host = urlsplit(origin).netloc
        context.set_default_timeout(MILLISECONDS_TO_WAIT)

        def requested(url: str) -> None:
            parts = urlsplit(url)
            if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != host:
                self.append(f"request to another host: {url}")

        def said(kind: str, text: str) -> None:
            if kind == "error" and not text.startswith(EXPECTED):
                self.append(f"console: {text}")

        context.add_init_script(REPORT_VIOLATIONS)
        context.on("request", lambda request: requested(request.url))
        context.on("console", lambda message: said(message.type, message.text))
        context.on("weberror", lambda error: self.append(f"script: {error.error}"))


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    complaints = Complaints()
    yield complaints
    assert complaints == []


@pytest.fixture
def new_page(server: Server, browser: Browser, complaints: Complaints) -> Iterator[Callable[..., Page]]:
    """Pages in separate contexts: `new_page(color_scheme="dark")`, `new_page(java_script_enabled=False)`."""
    contexts: list[BrowserContext] = []

    def make(**options: object) -> Page:
        defaults = {"viewport": {"width": 1280, "height": 800}, "base_url": server.url}
        context = browser.new_context(**{**defaults, **options})  # type: ignore[arg-type]
        contexts.append(context)
        if browser.browser_type.name == "chromium":
            context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
        complaints.watch(context, server.url)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    return new_page()


@pytest.fixture
def sign_in(server: Server) -> Callable[[Page, User], None]:
    """Gives a page's context a session with which the user has just signed in: `sign_in(page, owner)`."""

    def sign_in(page: Page, user: User) -> None:
        client = Client()
        log_in(client, user)
        name = product_settings.SESSION_COOKIE_NAME
        page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": server.url}])

    return sign_in


@pytest.fixture
def owners_page(page: Page, sign_in: Callable[[Page, User], None], owner: User) -> Page:
    sign_in(page, owner)
    return page


@pytest.fixture
def on_settings(
    page: Page, sign_in: Callable[[Page, User], None], owner: User, project: Project, api_key: ApiKey
) -> Page:
    """The settings page of a project with one key, as its owner sees it."""
    sign_in(page, owner)
    page.goto(settings_page(project))
    return page


# People's accounts


@pytest.fixture
def person(server: Server) -> User:
    user: User = new_person()
    return user


@pytest.fixture
def page_at(browser: Browser, complaints: Complaints) -> Iterator[Callable[[str], Page]]:
    """A page at another address than the tests' server."""
    contexts: list[BrowserContext] = []

    def make(url: str) -> Page:
        contexts.append(browser.new_context(base_url=url, viewport={"width": 1280, "height": 800}))
        complaints.watch(contexts[-1], url)
        return contexts[-1].new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def local_page(page_at: Callable[[str], Page], server: Server) -> Any:
    """A page at http://localhost, with an authenticator. Only there do browsers offer passkeys without https."""
    page: Any = page_at(server.url.replace("127.0.0.1", "localhost"))
    page.devtools = page.context.new_cdp_session(page)
    page.devtools.send("WebAuthn.enable")
    page.authenticator = add_authenticator(page)
    return page
