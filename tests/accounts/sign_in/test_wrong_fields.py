"""A form that comes back with an error: the first wrong field has the focus, and names its error."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from projects.services import create_project
from tests.support.people.accounts import LOGIN, NEW_PASSWORD, PASSWORD, SIGN_UP, log_in, page_of

pytestmark = pytest.mark.django_db

CONTROL = re.compile(r"<(?:input|select|textarea)\b[^>]*>")
WEAK, WRONG = "tooshort", "not the one at all"


def assert_wrong(page: str, name: str, *errors: str) -> None:
    """The control `name` alone has the focus, is invalid, and is described by what has `errors` in it."""
    focused = [control for control in CONTROL.findall(page) if " autofocus" in control]
    assert [re.search(r'name="(\w+)"', control)[1] for control in focused] == [name]  # type: ignore[index]
    assert 'aria-invalid="true"' in focused[0]
    ids = re.search(r'aria-describedby="([^"]+)"', focused[0])[1].split()  # type: ignore[index]
    described = [re.search(rf'id="{one}"[^>]*>(.*?)</(?:p|ul)>', page, re.DOTALL) for one in ids]
    assert all(described)
    words = " ".join(found[1] for found in described if found)
    assert [error for error in errors if error not in words] == []


def test_pages_for_strangers(client, person):
    answer = client.post(LOGIN, {"login": person.email, "password": WRONG})
    assert_wrong(page_of(answer), "password", "The email or the password is wrong.")
    assert_wrong(page_of(client.post(LOGIN, {"login": "", "password": ""})), "login", "Enter your email.")
    answer = client.post(SIGN_UP, {"email": "grace@example.com", "password1": WEAK})
    assert_wrong(page_of(answer), "password1", "At least 10 characters.", "too short")
    assert_wrong(page_of(client.post(SIGN_UP, {"email": "x", "password1": WEAK})), "email", "valid email")


def test_pages_of_the_account(client, person):
    log_in(client, person)
    answer = client.post(reverse("account_reauthenticate"), {"password": WRONG})
    assert_wrong(page_of(answer), "password", "password")
    change = reverse("account_change_password")
    right = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert_wrong(page_of(client.post(change, right | {"oldpassword": WRONG})), "oldpassword", "current password")
    assert_wrong(page_of(client.post(change, right | {"password1": WEAK, "password2": WEAK})), "password1", "too short")
    assert_wrong(page_of(client.post(change, right | {"password2": WRONG})), "password2", "same password")


def test_an_empty_field_is_named_in_our_words(client, person):
    reset = client.post(reverse("account_reset_password"), {"email": ""})
    assert_wrong(page_of(reset), "email", "Enter your email.")
    log_in(client, person)
    change = client.post(reverse("account_change_password"), {})
    assert_wrong(page_of(change), "oldpassword", "Enter your current password.")
    assert "Enter your new password again." in page_of(change)
    assert_wrong(page_of(client.post(reverse("account_email"), {"action_add": "1"})), "email", "Enter your new email.")
    assert_wrong(page_of(client.post(reverse("account_reauthenticate"), {})), "password", "Enter your password.")
    assert_wrong(page_of(client.post(reverse("mfa_activate_totp"), {})), "code", "Enter the code.")


def test_no_form_of_an_account_leaves_its_checks_to_the_browser():
    """A browser says what it misses in a bubble of its own, which is gone when the focus moves."""
    asks = re.compile(r"account_field|code_field|new_password\.html|\{% slot body")
    found = {}
    for path in (Path(settings.BASE_DIR) / "templates").rglob("*.html"):
        for opening, body in re.findall(r"(<form\b[^>]*>)(.*?)</form>", path.read_text(), re.DOTALL):
            if asks.search(body):
                found.setdefault(path.name, []).append("novalidate" in opening)
    assert len(found) > 15
    assert [name for name, quiet in found.items() if not all(quiet)] == []


@pytest.mark.parametrize("name", ["account_login", "account_signup", "account_reset_password"])
def test_a_field_that_must_be_filled_says_so_to_a_screen_reader(client, name):
    controls = [one for one in CONTROL.findall(page_of(client.get(reverse(name)))) if 'type="hidden"' not in one]
    assert controls
    for control in controls:
        assert 'aria-required="true"' in control
        assert " required" not in control


def test_pages_of_a_project(client, person):
    log_in(client, person)
    project = create_project(name="Acme", owner=person, by=person)
    settings_page = reverse("apikeys:settings", args=[project.public_id])
    for address, data, name in (
        (settings_page, {"name": "a\u202eb"}, "name"),
        (reverse("projects:delete", args=[project.public_id]), {"confirmation": "acme"}, "confirmation"),
    ):
        page = client.post(address, data).content.decode()
        # The create dialog of the settings page has a focus of its own.
        page = re.sub(r"<dialog.*?</dialog>", "", page, flags=re.DOTALL)
        assert_wrong(page, name)
