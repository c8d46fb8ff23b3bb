"""Entry pages say in our words what is wrong, beside the field. The browser's own bubbles say nothing."""

import pytest
from playwright.sync_api import expect

from tests.support.people.accounts import PASSWORD

LOGIN, SIGN_UP, RESET = "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"
EMPTY_EMAIL, EMPTY_PASSWORD, NO_EMAIL = "Enter your email.", "Enter your password.", "Enter a valid email address."
CASES = [
    (LOGIN, {}, [EMPTY_EMAIL, EMPTY_PASSWORD], "Email"),
    (LOGIN, {"Email": "ada@example.com"}, [EMPTY_PASSWORD], "Password"),
    (LOGIN, {"Email": "ada", "Password": PASSWORD}, [NO_EMAIL], "Email"),
    (SIGN_UP, {}, [EMPTY_EMAIL, EMPTY_PASSWORD], "Email"),
    (SIGN_UP, {"Email": "ada", "Password": PASSWORD}, [NO_EMAIL], "Email"),
    (RESET, {}, [EMPTY_EMAIL], "Email"),
]


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize(("address", "typed", "errors", "focused"), CASES)
def test_an_empty_or_wrong_field_is_named_beside_it(new_page, person, script, address, typed, errors, focused):
    """Enter sends the form as it is, and what was typed stays, except for the password."""
    page = new_page(java_script_enabled=script)
    page.goto(address)
    for label, text in typed.items():
        page.get_by_label(label, exact=True).fill(text)
    expect(page.locator("input:focus")).to_have_count(1)  # a page without script has its focus a moment later
    page.keyboard.press("Enter")
    expect(page.locator(".errors li")).to_have_text(errors)
    field = page.get_by_label(focused, exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    for label, text in typed.items():
        expect(page.get_by_label(label, exact=True)).to_have_value("" if label == "Password" else text)
