"""Helpers for account pages in the browser: signing in, second factors, and the layout of each page."""

import os
import re
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.urls import reverse
from playwright.sync_api import expect

from common.outbox import senders
from tests.browser.axe import THEMES, Looks
from tests.browser.places import button, said, until
from tests.support.people.accounts import PASSWORD, mailed_code

SIZES = [(1280, 800), (360, 740), (320, 640)]
SHOTS = os.environ.get("SHOTS")  # a folder for screenshots


def sign_in_by_password(page, user):
    page.goto(reverse("account_login"))
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Sign in").click()
    until_left(page, "account_login")


def confirm_password(page):
    page.goto(reverse("account_reauthenticate"))
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Confirm").click()
    until_left(page, "account_reauthenticate")


def until_left(page, name):
    """Waits for the answer to a form. A visit before it would cancel the form."""
    page.wait_for_url(lambda url: urlsplit(url).path != reverse(name))


def sign_out(page):
    page.goto(reverse("account_logout"))
    button(page, "Sign out").click()
    expect(page).to_have_url(re.compile(reverse("account_login")))


def is_inside(page):
    expect(page.get_by_role("heading", level=1)).to_have_text("Create your first project")


def code_mailed_by(server, address):
    """The code in an email. Without a mail server, emails go to the server's output, a moment after the page is
    answered.
    """

    def codes():
        emails = server.log_text().split("\nTo: ")[1:]
        texts = [text for text in emails if text.startswith(address)]
        return re.findall(r"^([A-Z0-9]+(?:-[A-Z0-9]+)*)$", "\n".join(texts), re.M)

    until(codes)
    return codes()[-1]


def code_that_waits():
    """The code in an email that was not sent. The shared server sends no email, so that it does not take those of
    another test.
    """
    senders.send_due()
    return mailed_code()


# Second factors


def add_authenticator(page, *, verifies=True):
    """A virtual authenticator inside the device. With `verifies`, it recognises the person's fingerprint."""
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": verifies, "automaticPresenceSimulation": True}
    return page.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def add_passkey(page, name):
    page.goto(reverse("mfa_add_webauthn"))
    page.get_by_label("Name").fill(name)
    expect(page.get_by_label("Sign in with it alone")).to_be_checked()
    button(page, "Add passkey").click()
    said(page, "Passkey added")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_focused()


def furnish(page, user):
    """Gives the account an app, recovery codes and a passkey, and returns the passkey's row."""
    confirm_password(page)
    add_passkey(page, "A laptop with a rather long name, for narrow screens")
    TOTP.activate(user, generate_totp_secret())
    return Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN)


# Layout and axe


def walk(page, names, **arguments):
    """Opens each of the pages and returns the faults. `arguments` are for addresses that need some."""
    found = {}
    for name in names:
        address = reverse(name, kwargs=arguments.get(name))
        page.goto(address)
        assert urlsplit(page.url).path == address
        found |= faults(page, name)
    return found


def faults(page, name):
    """The faults of the current page, by size and theme."""
    looks, found = Looks(page), {}
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for theme in THEMES:
            found[f"{name} {theme} {width}"] = looks.violations(theme)
            shoot(page, f"{name} {theme} {width}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[f"{name} {width}"] = "scrolls sideways"
    if (headings := page.locator("h1").count()) != 1:
        found[name] = f"{headings} headings of the first level"
    return {where: wrong for where, wrong in found.items() if wrong}


def shoot(page, where):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{where.replace(' ', '-')}.png", full_page=True)
