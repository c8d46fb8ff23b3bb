"""A form that comes back with an error: the first wrong field has the focus, and names its error."""

import re

import pytest
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
    assert_wrong(page_of(client.post(LOGIN, {"login": "", "password": ""})), "login", "required")
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


def test_pages_of_a_project(client, person):
    log_in(client, person)
    project = create_project(name="Acme", owner=person, by=person)
    settings = reverse("apikeys:settings", args=[project.public_id])
    for address, data, name in (
        (settings, {"name": "a\u202eb"}, "name"),
        (reverse("projects:delete", args=[project.public_id]), {"confirmation": "acme"}, "confirmation"),
    ):
        page = client.post(address, data).content.decode()
        # The create dialog of the settings page has a focus of its own.
        page = re.sub(r"<dialog.*?</dialog>", "", page, flags=re.DOTALL)
        assert_wrong(page, name)
