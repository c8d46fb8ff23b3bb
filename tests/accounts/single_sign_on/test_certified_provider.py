"""A certified provider, in HTTP: signing in, coming back, confirming and cancelling."""

from collections.abc import Iterator

import pytest
from allauth.socialaccount.models import SocialAccount
from django.conf import settings as product_settings
from django.urls import reverse

from accounts.models import User
from tests.support.people.accounts import is_signed_in
from tests.support.people.lying_provider import begin
from tests.support.places.pages import text
from tests.support.programs.oidc_provider import OidcProvider, ProvidersVisitor

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture(scope="module")
def running() -> Iterator[OidcProvider]:
    with OidcProvider().running(product_settings.BASE_URL) as provider:
        yield provider


@pytest.fixture
def acme(running, settings) -> ProvidersVisitor:
    """A browser at the provider of this server."""
    settings.SIGN_IN, settings.OIDC_SECONDS, settings.OIDC_TRUST_EMAIL = ["password", "oidc"], 60.0, False
    for name, value in running.settings.items():
        setattr(settings, name, value)
    return ProvidersVisitor(running)


def test_a_person_signs_in_comes_back_and_confirms(client, acme, running):
    answer = client.get(acme.sign_in(begin(client), "ada", "ada@example.com"))
    assert answer["Location"] == "/", text(answer)
    assert is_signed_in(client)
    assert SocialAccount.objects.get().provider == running.issuer
    assert client.get(reverse("mfa_activate_totp")).status_code == 200, (
        "the provider said that the person just signed in"
    )

    client.logout()
    assert client.get(acme.return_signed_in(begin(client)))["Location"] == "/"
    assert User.objects.get().email == "ada@example.com"

    session = client.session
    session["account_authentication_methods"][0]["auth_time"] = 0
    session.save()
    confirm = reverse("single_sign_on_confirm")
    assert client.get(reverse("mfa_activate_totp"))["Location"].startswith(confirm)
    # It asks although it knows the person.
    back = acme.sign_in(begin(client, confirm, next="/help/"), "ada", "ada@example.com")
    assert client.get(back)["Location"] == "/help/"
    assert client.get(reverse("mfa_activate_totp")).status_code == 200


def test_a_person_who_cancels_is_not_signed_in(client, acme):
    answer = client.get(acme.cancel(begin(client)))
    assert "You left Acme before it was done. Nothing was changed." in text(answer)
    assert not is_signed_in(client)


def test_a_wrong_secret_of_this_server_is_answered_in_words(client, acme, settings):
    settings.OIDC_CLIENT_SECRET = "another secret"
    answer = client.get(acme.sign_in(begin(client), "ada", "ada@example.com"))
    assert answer.status_code == 403
    assert "did not prove who you are" in text(answer)
    assert not is_signed_in(client)
