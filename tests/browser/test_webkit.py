"""A person's first visit in WebKit, from sign-up to sign-out.

WebKitGTK does not support `command=`, so page.js opens and closes the dialogs.
"""

from collections.abc import Iterator

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from apikeys.models import ApiKey
from tests.browser.places import MEET, SECRET, UNMET, call, until
from tests.support.factories import PASSWORD
from tests.support.programs.webkit import webkit

IS_SAID = f"""
const lines = [...document.querySelectorAll('{UNMET}')].filter(line => line.textContent.includes(arguments[0]))
{MEET.removeprefix("lines => ")}
return lines.length > 0
"""


class Screen:
    """Elements on the screen by their accessible names, as a person finds them. Every lookup waits for its element."""

    def __init__(self, browser: WebDriver) -> None:
        self.browser = browser

    def find(self, css: str, name: str = "") -> WebElement:
        """The only visible element that matches and, if a name is given, has exactly this name."""
        found: list[WebElement] = []

        def is_there() -> bool:
            try:
                found[:] = [each for each in self._shown(css) if name in ("", each.accessible_name)]
            except StaleElementReferenceException:  # htmx has just replaced it
                return False
            return len(found) == 1

        until(is_there)
        return found[0]

    def _shown(self, css: str) -> list[WebElement]:
        return [each for each in self.browser.find_elements(By.CSS_SELECTOR, css) if each.is_displayed()]

    def button(self, name: str, within: str = "") -> None:
        """Presses the button."""
        self.find(f"{within} button", name).click()

    def dialog(self, *, is_open: bool) -> None:
        until(lambda: bool(self._shown("dialog")) == is_open)

    def said(self, text: str) -> None:
        """Waits until the page's live region says `text` in a new announcement and htmx has settled."""
        until(lambda: self.browser.execute_script(IS_SAID, text))
        until(lambda: not self.browser.find_elements(By.CSS_SELECTOR, ".htmx-added"))

    def pasted(self, field: WebElement) -> str:
        """The text that a paste puts into the empty field. The field is emptied again."""
        field.send_keys(Keys.CONTROL + "v")
        text = str(field.get_property("value"))
        field.clear()
        return text


@pytest.fixture
def screen(server) -> Iterator[Screen]:
    with webkit() as browser:
        yield Screen(browser)


def test_from_sign_up_to_sign_out(screen, server):
    """P5, P9, P10 and P11 in WebKit."""
    browser = screen.browser
    browser.get(f"{server.url}/accounts/signup/")
    screen.find("input", "Email").send_keys("new@example.com")
    screen.find("input[type=password]").send_keys(PASSWORD + Keys.ENTER)
    screen.find("input", "Project name").send_keys("Tide tables" + Keys.ENTER)
    screen.button("Generate Key")
    screen.button("Copy")
    screen.said("copied")

    assert not browser.execute_script("return 'commandForElement' in HTMLButtonElement.prototype")
    screen.find("nav a", "Settings").click()
    until(lambda: browser.execute_script("return document.querySelector('.key-mask use')?.getBBox().width"))
    screen.button("+ Create Key")
    secret = screen.pasted(screen.find("dialog input", "Name"))
    assert SECRET.fullmatch(secret)
    assert call(server, secret, "/me").body["data"]["project"]["name"] == "Tide tables"
    screen.button("Cancel", "dialog")
    screen.dialog(is_open=False)
    screen.button("+ Create Key")
    screen.find("dialog input", "Name").send_keys("Nightly backup")
    screen.button("Create key", "dialog")
    screen.find("[role=group]", "New API key Nightly backup")
    screen.dialog(is_open=False)
    key = ApiKey.objects.get(name="Nightly backup")
    row = f"#row-{key.public_id}"
    screen.button("Copy", "#new-key")
    screen.said("copied")
    screen.button("+ Create Key")
    new = screen.pasted(screen.find("dialog input", "Name"))
    screen.button("Cancel", "dialog")
    screen.dialog(is_open=False)

    screen.button("Pause", row)
    screen.said("Paused Nightly backup.")
    assert call(server, new).code == "key_paused"
    screen.button("Undo")
    screen.said("Re-enabled Nightly backup.")
    assert call(server, new).status == 200

    until(lambda: ApiKey.objects.filter(pk=key.pk, last_used_at__isnull=False).exists())
    browser.refresh()
    screen.button("More", row)
    screen.button("Delete", row)
    screen.find("#key-dialog input", "Type Nightly backup to confirm").send_keys("Nightly backup")
    screen.button("Delete key", "#key-dialog")
    screen.said("Deleted Nightly backup.")
    screen.dialog(is_open=False)
    assert call(server, new).code == "key_deleted"

    screen.find("nav a", "Sign out…").click()
    screen.button("Sign out", "main")
    screen.find("input", "Email")
    browser.get(f"{server.url}/projects/")
    assert "/accounts/login/" in browser.current_url
