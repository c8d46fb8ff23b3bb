"""Real second factors: apps, recovery codes, and passkeys in the device's own authenticator."""

import re
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from apikeys.keys.services import create_key
from projects.services import create_project
from tests.browser.accounts import add_authenticator, add_passkey, is_inside, sign_in_by_password, sign_out
from tests.browser.places import button, clipboard, said, settings_page
from tests.support.people.accounts import log_in, totp_code
from tests.support.people.sessions import age_all

# Whether the parts of each announcement stand beside each other.
ARE_ONE_ROW = """lines => lines.map(line => {
  const boxes = [...line.children].map(part => part.getBoundingClientRect())
  return Math.max(...boxes.map(box => box.top)) < Math.min(...boxes.map(box => box.bottom))
})"""


def test_an_authenticator_app_is_set_up_without_script(new_page, person):
    page = new_page(java_script_enabled=False)
    sign_in_by_password(page, person)
    page.goto(reverse("mfa_activate_totp"))
    page.get_by_label("Enter the code").fill(totp_code(page.locator("#totp-secret").inner_text()))
    button(page, "Turn on").click()
    expect(page.locator("#recovery-codes")).to_be_visible()


def test_an_authenticator_app_and_recovery_codes_let_in(page, person):
    """T23"""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in_by_password(page, person)
    page.goto(reverse("mfa_index"))
    page.get_by_role("link", name="Set up app").click()
    expect(page.locator("img.qr")).to_have_js_property("complete", value=True)
    assert page.locator("img.qr").evaluate("image => image.naturalWidth > 0")
    secret = page.locator("#totp-secret").inner_text()
    page.get_by_label("Enter the code").fill(totp_code(secret))
    button(page, "Turn on").click()

    button(page, "Copy codes").click()
    said(page, "Recovery codes copied")
    codes = clipboard(page).split()
    assert len(codes) == 10
    assert codes == RecoveryCodes(Authenticator.objects.get(type="recovery_codes")).get_unused_codes()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_text().split() == codes

    for code in (codes[0], codes[1]):
        sign_out(page)
        sign_in_by_password(page, person)
        page.get_by_label("Code").fill(code)
        button(page, "Sign in").click()
        is_inside(page)


def test_a_passkey_is_added_used_renamed_and_removed(local_page, person):
    """T23"""
    page = local_page
    log_in(elsewhere := Client(), person)
    sign_in_by_password(page, person)
    add_passkey(page, "Laptop")
    assert set(page.locator(".announcement").evaluate_all(ARE_ONE_ROW)) == {True}
    assert elsewhere.get("/projects/").status_code == 302, "other sessions end"

    sign_out(page)
    page.goto(reverse("account_login") + "?next=/projects/")
    button(page, "Sign in with a passkey").click()
    page.wait_for_url(lambda url: urlsplit(url).path == "/projects/")

    sign_out(page)
    sign_in_by_password(page, person)
    button(page, "Use a passkey").click()
    is_inside(page)

    page.goto(reverse("mfa_list_webauthn"))
    age_all()
    page.get_by_role("link", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm it's you")
    page.get_by_role("link", name="Use a passkey").click()
    button(page, "Use a passkey").click()
    page.get_by_role("textbox", name="Name").fill("Work laptop")
    button(page, "Save").click()
    expect(page.get_by_role("heading", name="Work laptop")).to_be_visible()
    page.get_by_role("link", name="Remove").click()
    button(page, "Remove passkey").click()
    expect(page.get_by_text("No passkeys yet")).to_be_visible()


def test_a_passkey_confirms_before_a_key_is_copied(local_page, person):
    """T21, T23"""
    page = local_page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    project = create_project(name="Tides", owner=person, by=person)
    new = create_key(project=project, name="Server", by=person)
    sign_in_by_password(page, person)
    add_passkey(page, "Laptop")
    page.goto(settings_page(project))
    age_all()
    button(page, "Copy Server").click()
    page.get_by_role("link", name="Use a passkey").click()
    button(page, "Use a passkey").click()
    expect(page).to_have_url(re.compile(f"#row-{new.key.public_id}$"))
    button(page, "Copy Server").click()
    said(page, "API key copied")
    assert clipboard(page) == new.secret


def test_a_passkey_that_the_device_refuses_is_said_so(local_page, person):
    page = local_page
    page.devtools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": page.authenticator})
    add_authenticator(page, verifies=False)
    sign_in_by_password(page, person)
    page.goto(reverse("mfa_add_webauthn"))
    button(page, "Add passkey").click()
    said(page, "No passkey was used")


def test_a_passkey_that_was_removed_here_is_refused_in_words(local_page, person):
    page = local_page
    sign_in_by_password(page, person)
    add_passkey(page, "Laptop")
    sign_out(page)
    Authenticator.objects.all().delete()
    page.goto(reverse("account_login"))
    button(page, "Sign in with a passkey").click()
    said(page, "That passkey was not accepted")
