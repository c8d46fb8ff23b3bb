"""People without a password confirm at the provider who they are, for every kind of session."""

import time
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.urls import reverse

from accounts.models import User
from apikeys.keys.services import create_key
from projects.models import Project
from projects.permissions import Role
from tests.support.factories import MembershipFactory, ProjectFactory
from tests.support.people.accounts import log_in
from tests.support.people.lying_provider import begin, sign_in
from tests.support.people.sessions import age
from tests.support.places.pages import FETCH, HTMX, action, text

pytestmark = pytest.mark.django_db

CONFIRM = reverse("single_sign_on_confirm")
EMAIL = "carol@example.com"


@pytest.fixture
def carol(client, provider) -> User:
    """Signed in by single sign-on a moment ago, and so at the provider."""
    assert sign_in(client, provider, subject="carol", email=EMAIL, auth_time=int(time.time())).status_code == 302
    user: User = User.objects.get()
    return user


@pytest.fixture
def key(carol):
    project: Project = ProjectFactory(name="Acme Weather", created_by=carol)
    MembershipFactory(user=carol, project=project, role=Role.OWNER)
    return create_key(project=project, name="Production server", by=carol).key


def reveals(client, key) -> bool:
    answer = client.post(action("reveal", key), headers=FETCH)
    return bool(answer.status_code == HTTPStatus.OK)


def confirm(client, provider, *, back_to: str = "/help/", **claims):
    claims = {"subject": "carol", "email": EMAIL, "auth_time": int(time.time())} | claims
    return client.get(provider.come_back(begin(client, CONFIRM, next=back_to), **claims))


def test_a_recent_sign_in_at_the_provider_is_enough(client, key):
    assert reveals(client, key)


@pytest.mark.parametrize(
    "auth_time", [None, int(time.time()) - 3 * 60 * 60, "yesterday", True], ids=["none", "3 hours", "text", "true"]
)
def test_a_provider_that_knows_the_person_from_long_ago_confirms_nothing(client, provider, key, auth_time):
    """T21: who finds an open browser can sign out, and in again by a session at the provider."""
    client.logout()
    sign_in(client, provider, subject="carol", email=EMAIL, auth_time=auth_time)
    assert not reveals(client, key)


@pytest.mark.parametrize("headers", [{}, FETCH, HTMX], ids=["page", "script", "htmx"])
def test_an_old_session_is_led_to_the_provider(client, carol, key, headers):
    """T21 for an account without a password."""
    age_of_provider(client)
    answer = client.post(action("reveal", key), headers=headers)
    found = answer.headers.get("Location") or answer.headers.get("HX-Redirect") or answer.json()["login"]
    assert found.startswith(f"{CONFIRM}?next=")
    page = text(client.get(found))
    assert "Confirm it's you" in page
    assert "Continue with Acme" in page


def age_of_provider(client) -> None:
    """Moves the sign-in at the provider back, too."""
    age(client)
    session = client.session
    for record in session["account_authentication_methods"]:
        record["auth_time"] = record["at"]
    session.save()


def test_the_provider_has_to_ask_again_and_the_person_comes_back(client, provider, key):
    age_of_provider(client)
    asked = parse_qs(urlsplit(begin(client, CONFIRM, next="/help/")).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    assert confirm(client, provider)["Location"] == "/help/"
    assert reveals(client, key)


NEVER = {
    "not said": None,
    "an hour ago": int(time.time()) - 3600,
    "no number": float("nan"),
    "beyond all numbers": 10**400,
    "infinite": float("inf"),
    "in an hour": int(time.time()) + 3600,
    "a number of no clock": 1e300,
    "in a year": int(time.time()) + 365 * 24 * 60 * 60,
}


@pytest.mark.parametrize("auth_time", NEVER.values(), ids=NEVER)
def test_a_provider_that_did_not_ask_again_confirms_nothing(client, provider, key, auth_time):
    age_of_provider(client)
    answer = confirm(client, provider, auth_time=auth_time)
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "Acme did not ask you to sign in again. Nothing was changed." in text(answer)
    assert not reveals(client, key)


@pytest.mark.parametrize(("seconds", "is_confirmed"), [(-30, False), (-5, True), (5, True), (30, False)])
def test_the_providers_clock_may_differ_by_a_few_seconds(client, provider, key, seconds, is_confirmed):
    """A person who signed in there just before the question was not asked."""
    age_of_provider(client)
    answer = confirm(client, provider, auth_time=int(time.time()) + seconds)
    assert (answer.status_code == HTTPStatus.FOUND) == is_confirmed
    assert reveals(client, key) == is_confirmed


def test_another_person_of_the_provider_confirms_nothing(client, provider, key):
    age_of_provider(client)
    answer = confirm(client, provider, subject="mallory", email="mallory@example.com")
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "You chose another account at Acme." in text(answer)
    assert not reveals(client, key)
    assert User.objects.count() == 1, "a confirmation creates no account"


def test_a_confirmation_that_began_in_another_persons_session_confirms_nothing(client, provider, key, person):
    address = begin(client, CONFIRM, next="/help/")
    client.logout()
    log_in(client, person)
    SocialAccount.objects.create(user=person, provider=provider.issuer, uid="ada")
    age(client)
    assert client.get(provider.come_back(address, auth_time=int(time.time()))).status_code == HTTPStatus.BAD_REQUEST
    assert client.get(reverse("mfa_activate_totp")).status_code == HTTPStatus.FOUND


def test_what_was_interrupted_is_said_after_the_confirmation(client, provider, key):
    age_of_provider(client)
    back_to = reverse("apikeys:key", args=[key.project.public_id, key.public_id])
    answer = client.post(action("delete", key), {"next": back_to})
    confirm_page = answer["Location"]
    wanted = parse_qs(urlsplit(confirm_page).query)["next"][0]
    back = confirm(client, provider, back_to=wanted)["Location"]
    assert "Thanks for confirming it's you. Nothing has been done yet" in text(client.get(back, follow=True))


@pytest.mark.parametrize("name", ["mfa_activate_totp", "account_set_password", "mfa_add_webauthn"])
def test_the_accounts_own_pages_ask_at_the_provider(client, carol, name):
    """allauth asks nobody who has no password and no second factor."""
    age_of_provider(client)
    answer = client.get(reverse(name))
    assert answer.status_code == HTTPStatus.FOUND
    assert answer["Location"].startswith(f"{CONFIRM}?next=")


def test_a_form_of_allauth_is_not_carried_out_later(client, provider, carol):
    age_of_provider(client)
    answer = client.post(reverse("account_email"), {"email": "new@example.com", "action_add": "1"})
    assert answer["Location"].startswith(f"{CONFIRM}?next=")
    confirm(client, provider, back_to=reverse("account_email"))
    assert "account_reauthentication_state" not in client.session


def test_a_person_with_a_password_may_also_confirm_at_the_provider(client, provider, person):
    SocialAccount.objects.create(user=person, provider=provider.issuer, uid="ada")
    log_in(client, person)
    page = client.get(reverse("account_reauthenticate"))
    assert f'href="{CONFIRM}' in page.content.decode()
    page = text(client.get(CONFIRM))
    assert "Use your password" in page


def test_who_is_not_connected_has_no_such_page(client, provider, person):
    log_in(client, person)
    assert client.get(f"{CONFIRM}?next=/help/")["Location"] == "/help/"
    assert f'href="{CONFIRM}' not in client.get(reverse("account_reauthenticate")).content.decode()
