"""P20: single sign-on with a certified provider, in Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.accounts import faults, walk
from tests.browser.places import button, call, copied_with
from tests.support.programs.oidc_provider import OidcProvider
from tests.support.programs.servers import Server


@pytest.fixture
def acme(transactional_db) -> OidcProvider:
    return OidcProvider()


@pytest.fixture
def server(acme) -> Iterator[Server]:
    """A server that trusts the provider."""
    server = Server(OIDC_SECONDS="60", **acme.settings)
    with acme.running(server.url.replace("127.0.0.1", "localhost")):
        server.start()
        yield server
        server.stop()


def test_p20_from_the_sign_in_page_to_a_copied_key(server, acme, page_at, complaints):
    """P20: A person who has an account of the operator's signs in with it, and copies the first key."""
    page = page_at(server.url.replace("127.0.0.1", "localhost"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    assert walk(page, ["account_login", "account_signup"]) == {}
    page.goto("/accounts/single-sign-on/callback/")
    assert faults(page, "single_sign_on_callback") == {}, "the page of an answer that nobody asked for"
    complaints.clear()
    page.goto("/accounts/login/")
    button(page, "Continue with Acme").click()
    page.get_by_label("Subject").fill("ada")
    page.get_by_label("Email").fill("ada@example.com")
    button(page, "Sign in at Acme").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Create your first project")
    page.get_by_label("Name").fill("Acme Weather")
    button(page, "Create project").click()
    button(page, "Generate Key").click()
    secret = copied_with(page, button(page, "Copy"))
    assert call(server, secret, "/me").body["data"]["user"]["email"] == "ada@example.com"
    assert walk(page, ["single_sign_on_connections", "single_sign_on_confirm"]) == {}
    # The browser went to the provider, and the CSP of no page was in its way.
    complaints[:] = [
        complaint for complaint in complaints if f"request to another host: {acme.issuer}" not in complaint
    ]
