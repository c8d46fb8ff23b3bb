"""P8 to P11 and P18 of product.md, the actions on a key and its use. test_product.py has the others."""

import threading
from http.client import HTTPConnection
from urllib.parse import urlsplit

from playwright.sync_api import expect

from apikeys.keys.services import create_key
from apikeys.standing import KeyState
from apikeys.usage import callers
from tests.browser.places import (
    EACH_BROWSER,
    button,
    call,
    copied_with,
    create_key_in_dialog,
    dashboard,
    key_page,
    more,
    names,
    open_deletion,
    other_project,
    row,
    said,
    settings_page,
    switch,
    until,
    until_used,
)

pytestmark = EACH_BROWSER

BUSY = 503


def test_p08_the_api_keys_section_lists_and_manages_the_projects_keys(owners_page, owner, project, api_key):
    """P8: The API Keys section lists the project's keys and manages them."""
    create_key(project=project, name="Nightly backup", by=owner)
    create_key(project=other_project(owner, "Other"), name="Of another project", by=owner)
    owners_page.goto(settings_page(project))
    section = owners_page.get_by_role("region", name="API Keys", exact=True)
    assert names(owners_page) == ["Nightly backup", "Production server"]
    expect(button(section, "+ Create Key")).to_be_visible()
    for name in names(owners_page):
        line = row(owners_page, name)
        expect(switch(owners_page, name)).to_have_text("Pause")
        expect(button(line, "Pause")).to_be_visible()
        more(owners_page, name).click()
        expect(button(line, "Delete")).to_be_visible()
        owners_page.keyboard.press("Escape")
        expect(button(line, "Delete")).to_be_hidden()
        expect(button(line, f"Copy {name}")).to_be_visible()


def test_p09_pause_refuses_the_next_request_and_re_enable_lets_it_in(server, owners_page, project, api_key):
    """P9: **Pause** a key: the next request with it is refused. **Re-enable** it: the next one is let in."""
    owners_page.goto(settings_page(project))
    line = row(owners_page, "Production server")
    assert call(server, api_key.secret).status == 200
    with owners_page.expect_response("**/pause/"):
        button(line, "Pause").click()
    refused = call(server, api_key.secret)
    assert (refused.status, refused.code) == (401, "key_paused")
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert call(server, api_key.secret, "/verify").code == "key_paused"
    said(owners_page, "Paused Production server.")
    with owners_page.expect_response("**/resume/"):
        button(line, "Re-enable").click()
    assert call(server, api_key.secret).status == 200
    said(owners_page, "Re-enabled Production server.")
    with owners_page.expect_response("**/pause/"):
        switch(owners_page, "Production server").click()
    assert call(server, api_key.secret).code == "key_paused"
    owners_page.goto(dashboard(project))
    button(owners_page, "Re-enable").click()
    said(owners_page, "Re-enabled Production server.")
    assert call(server, api_key.secret).status == 200


def test_p10_delete_asks_first_and_then_refuses_every_request_for_good(server, owners_page, project, api_key):
    """P10: **Delete** a key: first a confirmation dialog that says it cannot be undone; then every request with it
    is refused at once, for good."""
    owners_page.goto(settings_page(project))
    open_deletion(owners_page, "Production server")
    dialog = owners_page.get_by_role("dialog", name="Delete “Production server”?")
    expect(dialog).to_contain_text("This cannot be undone.")
    button(dialog, "Cancel").click()
    assert call(server, api_key.secret).status == 200
    until_used(owners_page, "Production server")
    open_deletion(owners_page, "Production server")
    dialog.get_by_label("Type Production server to confirm").fill("Production server")
    with owners_page.expect_response("**/delete/") as answered:
        button(dialog, "Delete key").click()
    assert answered.value.status == 200
    refused = call(server, api_key.secret)
    assert (refused.status, refused.code) == (401, "key_deleted")
    expect(row(owners_page, "Production server")).to_have_count(0)
    owners_page.goto(settings_page(project) + "?state=deleted")
    expect(row(owners_page, "Production server").get_by_role("button")).to_have_count(0)
    assert call(server, api_key.secret, "/verify").code == "key_deleted"
    api_key.refresh_from_db()
    assert (api_key.state, api_key.ciphertext) == (KeyState.DELETED, None)


class Caller(threading.Thread):
    """A program that calls without a pause with its key. `refusals` are the unexpected answers.

    With few processors, any call may be answered 503. That does not depend on the key.
    """

    def __init__(self, server, secret):
        super().__init__(daemon=True)
        self.server, self.secret = server, secret
        self.codes, self.refusals = set(), []
        self.calls, self.ended = 0, threading.Event()

    def run(self):
        while not self.ended.is_set():
            answer = call(self.server, self.secret, "/me")
            self.calls += 1
            if answer.status == 200:
                self.codes.add(answer.body["data"]["key"]["name"])
            elif answer.status != BUSY:
                self.refusals.append(answer)

    def until_called(self):
        """Waits for a whole call: the next one may have begun before."""
        left = self.calls
        until(lambda: self.calls >= left + 2)

    def end(self):
        self.ended.set()
        self.join(60)


def test_p11_a_roll_has_no_downtime(server, owners_page, project, api_key):
    """P11: **+ Create Key** makes another key; old and new work side by side until the old one is deleted, so a roll
    has no downtime."""
    program = Caller(server, api_key.secret)
    program.start()
    try:
        owners_page.goto(settings_page(project))
        create_key_in_dialog(owners_page, "Production server 2")
        new = copied_with(owners_page, button(owners_page, "Copy"))
        assert [call(server, secret).status for secret in (api_key.secret, new)] == [200, 200]
        program.secret = new
        # A call that was already sent with the old key must end before the old key is deleted.
        program.until_called()
        until_used(owners_page, "Production server")
        open_deletion(owners_page, "Production server")
        dialog = owners_page.get_by_role("dialog", name="Delete “Production server”?")
        dialog.get_by_label("Type Production server to confirm").fill("Production server")
        button(dialog, "Delete key").click()
        expect(row(owners_page, "Production server")).to_have_count(0)
        assert call(server, api_key.secret).code == "key_deleted"
        program.until_called()
    finally:
        program.end()
    assert program.refusals == []
    assert program.codes == {"Production server", "Production server 2"}


def check_from(server, secret: str, address: str) -> int:
    """The status of a check that a program at one of this machine's own addresses makes."""
    connection = HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=60, source_address=(address, 0))
    try:
        connection.request("GET", "/api/v1/verify", headers={"Authorization": f"Bearer {secret}"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_p18_a_key_says_from_which_addresses_it_is_used(server, owners_page, project, api_key):
    """P18: a key that is used from two addresses shows both, on its page and before it is deleted."""
    assert [check_from(server, api_key.secret, f"127.0.0.{number}") for number in (2, 2, 3)] == [204] * 3
    until(lambda: callers.used_from(api_key).allowed == 3)
    owners_page.goto(key_page(api_key, "key"))
    section = owners_page.get_by_role("region", name="Used from", exact=True)
    expect(section.get_by_role("row", name="127.0.0.2 2")).to_be_visible()
    expect(section.get_by_role("row", name="127.0.0.3 1")).to_be_visible()
    owners_page.goto(settings_page(project))
    open_deletion(owners_page, "Production server")
    dialog = owners_page.get_by_role("dialog", name="Delete “Production server”?")
    expect(dialog).to_contain_text("Used from 2 addresses in the last 7 days")
    expect(dialog).to_contain_text("127.0.0.2 (2 requests")
