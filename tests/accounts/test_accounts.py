"""Who may see each account page, and the parts that all account pages share."""

import re
from http import HTTPStatus

import pytest
from django.urls import reverse

from tests.support.people.accounts import LOGIN, SIGN_UP, page_of
from tests.support.places.routes import all_routes


def address_of(name):
    arguments = {
        "account_confirm_email": ["none"],
        "mfa_remove_webauthn": [1],
        "mfa_edit_webauthn": [1],
        "end_session": [1],
    }
    return reverse(name, args=arguments.get(name))


OPEN = {
    "account_login",
    "account_signup",
    "account_inactive",
    "account_reset_password",
    "account_password_reset_completed",
    "account_email_verification_sent",
    "account_confirm_email",
    "account_first_password",
}
# These pages are also open, but only to a person in the middle of a process. Others are redirected to its beginning.
STAGES = {
    "account_confirm_login_code": LOGIN,
    "account_confirm_password_reset_code": LOGIN,
    "account_complete_password_reset": reverse("account_reset_password"),
    "mfa_authenticate": LOGIN,
    "mfa_login_webauthn": LOGIN,
}
PRIVATE = {
    "account_logout",
    "account_reauthenticate",
    "account_profile",
    "account_delete",
    "account_email",
    "account_change_password",
    "account_set_password",
    "mfa_index",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "mfa_reauthenticate_webauthn",
    "mfa_remove_webauthn",
    "mfa_edit_webauthn",
    "usersessions_list",
    "end_session",
}

# These pages exist only where people sign in at a provider. tests/accounts/single_sign_on opens them.
OF_SINGLE_SIGN_ON = {
    "single_sign_on",
    "single_sign_on_callback",
    "single_sign_on_confirm",
    "single_sign_on_connections",
    "single_sign_on_connect",
    "single_sign_on_disconnect",
}


def test_every_account_page_is_known_to_be_open_or_private(settings):
    from django.urls import resolve

    ours = {
        resolve(route.path()).url_name for route in all_routes() if route.is_account and "key>" not in route.pattern
    }
    assert ours | {"account_confirm_email"} == OPEN | set(STAGES) | PRIVATE | OF_SINGLE_SIGN_ON


@pytest.mark.parametrize("name", sorted(OPEN))
def test_an_open_account_page_answers_a_stranger_in_our_layout(client, name):
    response = client.get(address_of(name))
    assert response.status_code == HTTPStatus.OK
    page = page_of(response)
    assert page.count("<h1") == 1
    assert '<html lang="en">' in page
    assert re.search(r"<title>[^<]+ · Latchkey</title>", page)
    assert response["Cache-Control"].count("no-store") == 1


@pytest.mark.parametrize("name", sorted(STAGES))
def test_a_page_in_the_middle_of_something_leads_a_stranger_to_its_beginning(client, name):
    response = client.get(address_of(name))
    assert (response.status_code, response["Location"]) == (HTTPStatus.FOUND, STAGES[name])


@pytest.mark.parametrize("name", sorted(PRIVATE - {"account_logout"}))
def test_a_private_account_page_leads_a_stranger_to_the_login_and_back(client, name):
    path = address_of(name)
    response = client.get(path)
    assert (response.status_code, response["Location"]) == (HTTPStatus.FOUND, f"{LOGIN}?next={path}")


def test_closed_sign_up_answers_in_our_layout(client, monkeypatch):
    monkeypatch.setattr("accounts.adapter.AccountAdapter.is_open_for_signup", lambda *_: False)
    assert "Sign-up is closed</h1>" in page_of(client.get(SIGN_UP))


def test_the_account_pages_name_the_section_they_belong_to(inside):
    for name in ("account_email", "account_change_password", "mfa_index", "mfa_list_webauthn", "usersessions_list"):
        page = page_of(inside.get(reverse(name)))
        assert '<h1 class="account-title">Account</h1>' in page
        assert len(re.findall(rf'<a\s+href="{reverse(name)}(?:\?project=\w+)?"\s+aria-current="page"\s*>', page)) == 1
