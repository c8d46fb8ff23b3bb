"""Layout of the account pages in Chromium, in both themes and three widths, and accessibility by axe."""

import re

from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.accounts import (
    code_mailed_by,
    code_that_waits,
    confirm_password,
    faults,
    furnish,
    is_inside,
    sign_in_by_password,
    sign_out,
    walk,
)
from tests.browser.places import button, said
from tests.support.people.accounts import PASSWORD

SIGNED_OUT = ["account_login", "account_signup", "account_reset_password", "account_inactive"]
SIGNED_OUT += ["account_password_reset_completed", "account_email_verification_sent"]
SIGNED_IN = ["account_email", "account_change_password", "mfa_index", "mfa_activate_totp", "mfa_list_webauthn"]
SIGNED_IN += ["mfa_add_webauthn", "usersessions_list", "account_logout"]
PROTECTED = ["mfa_index", "mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes"]
PROTECTED += ["mfa_list_webauthn", "mfa_edit_webauthn", "mfa_remove_webauthn", "mfa_reauthenticate"]
PROTECTED += ["mfa_reauthenticate_webauthn", "account_reauthenticate"]


def test_pages_for_strangers_fit_and_read_well(page, person):
    assert walk(page, SIGNED_OUT) == {}


def test_pages_of_the_account_fit_and_read_well(page, person):
    sign_in_by_password(page, person)
    assert walk(page, ["account_reauthenticate"]) == {}
    confirm_password(page)
    assert walk(page, SIGNED_IN) == {}


def test_pages_of_a_protected_account_fit_and_read_well(local_page, person):
    sign_in_by_password(local_page, person)
    passkey = {"pk": furnish(local_page, person).pk}
    assert walk(local_page, PROTECTED, mfa_edit_webauthn=passkey, mfa_remove_webauthn=passkey) == {}


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
    assert faults(page, "mfa_authenticate") == {}


def test_codes_and_errors_fit_and_read_well(page, person):
    page.goto(reverse("account_reset_password"))
    page.get_by_label("Email").fill("nobody@example.com")
    button(page, "Send email").click()
    page.get_by_label("Code").fill("WRONG")
    button(page, "Confirm").click()
    expect(page.get_by_text("This code is wrong")).to_be_visible()
    assert faults(page, "wrong_code") == {}
    page.context.clear_cookies()

    page.goto(reverse("account_signup"))
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill("tooshort")
    button(page, "Create account").click()
    expect(page.get_by_label("Password")).to_be_empty()
    expect(page.get_by_label("Email")).to_be_focused()
    expect(page.get_by_label("Password")).to_have_accessible_description(re.compile("at least 10 characters"))
    expect(page.get_by_label("Email")).to_have_value(person.email)
    assert faults(page, "signup_errors") == {}

    page.goto(reverse("account_login"))
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill("not the one at all")
    button(page, "Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("The email or the password is wrong.")
    expect(page.get_by_label("Password")).to_be_focused()
    assert faults(page, "login_error") == {}


def test_a_burst_of_requests_is_answered_in_our_layout(page, person):
    """T22"""
    page.goto(reverse("account_login"))
    token = page.locator("form [name=csrfmiddlewaretoken]").first.input_value()
    for number in range(31):
        data = {"login": f"p{number}@example.com", "password": "x", "csrfmiddlewaretoken": token}
        page.request.post(reverse("account_login"), form=data, max_redirects=0)
    page.get_by_label("Email").fill("p@example.com")
    page.get_by_label("Password").fill("x")
    button(page, "Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Too many attempts")
    assert faults(page, "too_many") == {}


def test_signing_up_with_a_mailed_code_fits_and_reads_well(page_at, start_server):
    server = start_server(EMAIL_VERIFICATION="mandatory")
    page = page_at(server.url)
    page.goto(reverse("account_signup"))
    page.get_by_label("Email").fill("grace@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Create account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm your email")
    assert faults(page, "confirm_code") == {}
    page.get_by_label("Code").fill(code_mailed_by(server, "grace@example.com"))
    button(page, "Confirm").click()
    is_inside(page)


def test_a_forgotten_password_is_reset_by_a_mailed_code(page, person, server):
    page.goto(reverse("account_login"))
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email").fill(person.email)
    button(page, "Send email").click()
    expect(page.get_by_label("Code")).to_be_focused()
    page.get_by_label("Code").fill(code_that_waits())
    button(page, "Confirm").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set a new password")
    assert faults(page, "set_new_password") == {}
    page.get_by_label("New password", exact=True).fill("another calm river 7")
    page.get_by_label("New password again").fill("another calm river 7")
    button(page, "Set password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your password is changed")


def test_an_unconfirmed_address_is_said_to_be_so(page, server):
    page.goto(reverse("account_signup"))
    page.get_by_label("Email").fill("grace@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Create account").click()
    is_inside(page)
    page.goto(reverse("account_email"))
    expect(page.get_by_text("Not confirmed")).to_be_visible()
    assert faults(page, "unconfirmed_address") == {}


def test_signing_out_everywhere_else_ends_the_other_browser(new_page, person):
    here, elsewhere = new_page(), new_page()
    for page in (here, elsewhere):
        sign_in_by_password(page, person)
        is_inside(page)
    here.goto(reverse("usersessions_list"))
    expect(here.locator(".account-rows > li")).to_have_count(2)
    expect(here.get_by_text("Chrome on Linux")).to_have_count(2)
    assert faults(here, "two_sessions") == {}
    button(here, "Sign out everywhere else").click()
    said(here, "signed out everywhere else")
    expect(here.get_by_role("region", name="Sessions")).to_be_focused()
    elsewhere.goto(reverse("account_email"))
    expect(elsewhere).to_have_url(re.compile(reverse("account_login")))


# Without script


def test_signing_up_in_and_out_works_without_script(new_page, server):
    page = new_page(java_script_enabled=False)
    page.goto("/")
    page.get_by_role("link", name="Create account").click()
    page.get_by_label("Email").fill("grace@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Create account").click()
    is_inside(page)
    sign_out(page)
    # Chromium removes <noscript> even where Playwright turns scripts off.
    assert "<noscript><p" in page.request.get(reverse("account_login")).text()
    expect(page.get_by_role("button", name="passkey")).to_be_hidden()
    page.get_by_label("Email").fill("grace@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    button(page, "Sign in").click()
    is_inside(page)
