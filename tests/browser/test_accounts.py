"""The account's pages in Chromium: how they read and fit, and second factors that really work."""

import os
import re
import time
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from apikeys.services import create_key
from projects.services import create_project
from tests.browser.places import button, clipboard, said, settings_page
from tests.factories import UserFactory
from tests.sessions import age_all

PASSWORD = "a quiet harbour 41"
SIZES = [(1280, 800), (360, 740), (320, 640)]
THEMES = ["light", "dark"]
SHOTS = os.environ.get("SHOTS")  # a folder to leave pictures in, for whoever wants to look

SIGNED_OUT = ["account_login", "account_signup", "account_reset_password", "account_inactive"]
SIGNED_OUT += ["account_password_reset_completed", "account_email_verification_sent"]
SIGNED_IN = ["account_email", "account_change_password", "mfa_index", "mfa_activate_totp", "mfa_list_webauthn"]
SIGNED_IN += ["mfa_add_webauthn", "usersessions_list", "account_logout", "account_reauthenticate"]
PROTECTED = ["mfa_index", "mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes"]
PROTECTED += ["mfa_list_webauthn", "mfa_edit_webauthn", "mfa_remove_webauthn", "mfa_reauthenticate"]
PROTECTED += ["mfa_reauthenticate_webauthn", "account_reauthenticate"]


@pytest.fixture
def person(server):
    user = UserFactory(email="ada@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def page_at(browser, complaints):
    """A page at another address than the tests' own server."""
    contexts = []

    def make(url):
        contexts.append(browser.new_context(base_url=url, viewport={"width": 1280, "height": 800}))
        complaints.watch(contexts[-1], url)
        return contexts[-1].new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def local_page(page_at, server):
    """At http://localhost, the one host where browsers offer passkeys without https, with an authenticator."""
    page = page_at(server.url.replace("127.0.0.1", "localhost"))
    page.devtools = page.context.new_cdp_session(page)
    page.devtools.send("WebAuthn.enable")
    page.authenticator = add_authenticator(page)
    return page


def add_authenticator(page, *, verifies=True):
    """A virtual one inside the device. `verifies`: the person's fingerprint is recognised."""
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": verifies, "automaticPresenceSimulation": True}
    return page.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def address_of(name, **arguments):
    return reverse(name, kwargs=arguments or None)


def sign_in_by_password(page, user):
    page.goto(reverse("account_login"))
    page.get_by_label("E-mail address").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Sign in").click()


def confirm_password(page):
    page.goto(reverse("account_reauthenticate"))
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Confirm").click()


def sign_out(page):
    page.goto(reverse("account_logout"))
    button(page, "Sign out").click()
    expect(page).to_have_url(re.compile(reverse("account_login")))


def is_inside(page):
    expect(page.get_by_role("heading", level=1)).to_have_text("Create your first project")


def totp_code(secret):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def furnish(page, user):
    """Gives the account an app, recovery codes and a passkey, and returns the passkey's row."""
    confirm_password(page)
    add_passkey(page, "A laptop with a rather long name, for narrow screens")
    TOTP.activate(user, generate_totp_secret())
    return Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN)


def add_passkey(page, name):
    page.goto(reverse("mfa_add_webauthn"))
    page.get_by_label("Name").fill(name)
    expect(page.get_by_label("Sign in with it alone")).to_be_checked()
    button(page, "Add passkey").click()
    said(page, "Passkey added")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


def audit(page, name):
    """Looks at the page as it stands, in both themes and every size."""
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            where = f"{name} {theme} {width}"
            shoot(page, where)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{where} scrolls sideways"
            assert page.locator("h1").count() == 1, where
            found = Axe().run(page).response["violations"]
            assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found] == [], where


def shoot(page, where):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{where.replace(' ', '-')}.png", full_page=True)


# How the pages read


@pytest.mark.parametrize("name", SIGNED_OUT)
def test_a_page_for_strangers_fits_and_reads_well(page, person, name):
    page.goto(address_of(name))
    audit(page, name)


@pytest.mark.parametrize("name", SIGNED_IN)
def test_a_page_of_the_account_fits_and_reads_well(page, person, name):
    sign_in_by_password(page, person)
    if name != "account_reauthenticate":
        confirm_password(page)
    page.goto(address_of(name))
    assert urlsplit(page.url).path == address_of(name)
    audit(page, name)


@pytest.mark.parametrize("name", PROTECTED)
def test_a_page_of_a_protected_account_fits_and_reads_well(local_page, person, name):
    page = local_page
    sign_in_by_password(page, person)
    passkey = furnish(page, person)
    arguments = {"pk": passkey.pk} if name in {"mfa_edit_webauthn", "mfa_remove_webauthn"} else {}
    page.goto(address_of(name, **arguments))
    assert urlsplit(page.url).path == address_of(name, **arguments)
    audit(page, f"protected {name}")


def test_the_second_step_of_a_login_fits_and_reads_well(local_page, person):
    page = local_page
    sign_in_by_password(page, person)
    furnish(page, person)
    sign_out(page)
    sign_in_by_password(page, person)
    expect(page.get_by_role("heading", level=1)).to_have_text("Two-factor authentication")
    page.get_by_label("Code").fill("000000")
    button(page, "Sign in").click()
    expect(page.get_by_label("Code")).to_have_attribute("aria-invalid", "true")
    audit(page, "mfa_authenticate")


def test_codes_and_errors_fit_and_read_well(page, person):
    page.goto(reverse("account_reset_password"))
    page.get_by_label("E-mail address").fill("nobody@example.com")
    button(page, "Send code").click()
    page.get_by_label("Code").fill("WRONG")
    button(page, "Confirm").click()
    expect(page.get_by_text("This code is wrong")).to_be_visible()
    audit(page, "wrong_code")
    page.context.clear_cookies()

    page.goto(reverse("account_signup"))
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password").fill("tooshort")
    button(page, "Create account").click()
    expect(page.get_by_label("Password")).to_be_empty()
    expect(page.get_by_label("Password")).to_have_accessible_description(re.compile("at least 10 characters"))
    expect(page.get_by_label("E-mail address")).to_have_value(person.email)
    audit(page, "signup_errors")

    page.goto(reverse("account_login"))
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password").fill("not the one at all")
    button(page, "Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("The e-mail address or the password is wrong.")
    audit(page, "login_error")


def test_a_burst_of_requests_is_answered_in_our_layout(page, person):
    """T22"""
    for number in range(31):
        data = {"login": f"p{number}@example.com", "password": "x"}
        page.goto(reverse("account_login"))
        token = page.locator("form [name=csrfmiddlewaretoken]").first.input_value()
        page.request.post(reverse("account_login"), form={**data, "csrfmiddlewaretoken": token}, max_redirects=0)
    page.get_by_label("E-mail address").fill("p@example.com")
    page.get_by_label("Password").fill("x")
    button(page, "Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Too many attempts")
    audit(page, "too_many")


def test_signing_up_with_a_mailed_code_fits_and_reads_well(page_at, start_server):
    server = start_server(EMAIL_VERIFICATION="mandatory")
    page = page_at(server.url)
    page.goto(reverse("account_signup"))
    page.get_by_label("E-mail address").fill("grace@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Create account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm your e-mail address")
    audit(page, "confirm_code")
    page.get_by_label("Code").fill(code_mailed_by(server))
    button(page, "Confirm").click()
    is_inside(page)


def test_a_forgotten_password_is_reset_by_a_mailed_code(page, person, server):
    page.goto(reverse("account_login"))
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail address").fill(person.email)
    button(page, "Send code").click()
    expect(page.get_by_label("Code")).to_be_focused()
    page.get_by_label("Code").fill(code_mailed_by(server))
    button(page, "Confirm").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set a new password")
    audit(page, "set_new_password")
    page.get_by_label("New password", exact=True).fill("another calm river 7")
    page.get_by_label("New password again").fill("another calm river 7")
    button(page, "Set password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your password is changed")


def code_mailed_by(server):
    """Without a mail server the messages go to the server's own output."""
    return re.findall(r"^([A-Z0-9]+(?:-[A-Z0-9]+)*)$", server.log_text(), re.M)[-1]


def test_an_unconfirmed_address_is_said_to_be_so(page, server):
    page.goto(reverse("account_signup"))
    page.get_by_label("E-mail address").fill("grace@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Create account").click()
    is_inside(page)
    page.goto(reverse("account_email"))
    expect(page.get_by_text("Not confirmed")).to_be_visible()
    audit(page, "unconfirmed_address")


# Without script


def test_signing_up_in_and_out_works_without_script(new_page, server):
    page = new_page(java_script_enabled=False)
    page.goto("/")
    page.get_by_role("link", name="Create one").click()
    page.get_by_label("E-mail address").fill("grace@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Create account").click()
    is_inside(page)
    sign_out(page)
    # Chromium parses <noscript> away even where Playwright turns scripts off.
    assert "<noscript><p" in page.request.get(reverse("account_login")).text()
    expect(page.get_by_role("button", name="passkey")).to_be_hidden()
    page.get_by_label("E-mail address").fill("grace@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Sign in").click()
    is_inside(page)


def test_an_authenticator_app_is_set_up_without_script(new_page, person):
    page = new_page(java_script_enabled=False)
    sign_in_by_password(page, person)
    page.goto(reverse("mfa_activate_totp"))
    page.get_by_label("Enter the code").fill(totp_code(page.locator("#totp-secret").inner_text()))
    button(page, "Turn on").click()
    expect(page.locator("#recovery-codes")).to_be_visible()


# Second factors


def test_an_authenticator_app_and_recovery_codes_let_in(page, person):
    """T23"""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in_by_password(page, person)
    page.goto(reverse("mfa_index"))
    page.get_by_role("link", name="Set up app").click()
    assert page.locator("img.qr").evaluate("image => image.complete && image.naturalWidth > 0")
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
    sign_in_by_password(page, person)
    add_passkey(page, "Laptop")

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
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm that it is you")
    page.get_by_role("link", name="Use a passkey").click()
    button(page, "Use a passkey").click()
    page.get_by_role("textbox", name="Name").fill("Work laptop")
    button(page, "Save").click()
    expect(page.get_by_role("heading", name="Work laptop")).to_be_visible()
    page.get_by_role("link", name="Remove").click()
    button(page, "Remove passkey").click()
    expect(page.get_by_text("There is no passkey yet")).to_be_visible()


def test_a_passkey_confirms_before_a_key_is_copied(local_page, person):
    """T21, T23"""
    page = local_page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    project = create_project(name="Tides", by=person)
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


# Sessions


def test_signing_out_everywhere_else_ends_the_other_browser(new_page, person):
    here, elsewhere = new_page(), new_page()
    for page in (here, elsewhere):
        sign_in_by_password(page, person)
        is_inside(page)
    here.goto(reverse("usersessions_list"))
    expect(here.locator(".account-rows > li")).to_have_count(2)
    expect(here.get_by_text("Chrome on Linux")).to_have_count(2)
    audit(here, "two_sessions")
    button(here, "Sign out everywhere else").click()
    said(here, "signed out everywhere else")
    elsewhere.goto(reverse("account_email"))
    expect(elsewhere).to_have_url(re.compile(reverse("account_login")))
