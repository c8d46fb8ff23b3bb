"""Which account an identity opens, and what happens to accounts that have its address."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.sign_up.first_password import prepare_account
from apikeys.keys.services import create_key
from apikeys.secrets import secret_format
from common.outbox import senders
from projects.permissions import Role
from tests.support.factories import MembershipFactory, ProjectFactory
from tests.support.people.accounts import PASSWORD, is_signed_in, log_in, mailed_code, totp_code
from tests.support.people.lying_provider import begin, sign_in
from tests.support.places.pages import text

pytestmark = pytest.mark.django_db

NEW = "carol@example.com"


def test_a_new_person_gets_an_account_without_a_password(client, provider):
    assert sign_in(client, provider, subject="carol", email=NEW)["Location"] == "/"
    assert is_signed_in(client)
    user, row = User.objects.get(), SocialAccount.objects.get()
    assert (user.email, user.has_usable_password()) == (NEW, False)
    assert (row.user, row.provider, row.uid) == (user, provider.issuer, "carol")
    assert row.extra_data == {"email": NEW}, "nothing else of what the provider said is kept"
    assert not SocialToken.objects.exists()
    assert not EmailAddress.objects.get().verified, "the operator does not trust the provider's addresses"


def test_a_trusted_provider_confirms_the_new_address(client, trusted, confirmed_by_code):
    assert sign_in(client, trusted)["Location"] == "/"
    assert is_signed_in(client)
    assert EmailAddress.objects.get().verified
    assert not mail.outbox


def test_an_address_that_is_not_trusted_is_confirmed_by_a_code(client, provider, confirmed_by_code):
    assert sign_in(client, provider)["Location"] == reverse("account_email_verification_sent")
    senders.send_due()
    client.post(reverse("account_email_verification_sent"), {"code": mailed_code()})
    assert is_signed_in(client)
    assert SocialAccount.objects.count() == 1


def test_the_same_subject_comes_back_to_the_same_account(client, provider):
    sign_in(client, provider)
    client.logout()
    assert sign_in(client, provider, email="renamed@example.com", to="/help/")["Location"] == "/help/"
    assert is_signed_in(client)
    assert User.objects.get().email == "ada@example.com", "an address is changed here by its owner alone"
    assert SocialAccount.objects.get().extra_data == {"email": "renamed@example.com"}


def test_a_page_elsewhere_is_not_followed(client, provider):
    assert sign_in(client, provider, to="https://evil.example/")["Location"] == "/"


def test_the_same_subject_of_another_issuer_is_another_person(client, provider, settings):
    sign_in(client, provider)
    SocialAccount.objects.update(provider="https://another.example")
    client.logout()
    assert sign_in(client, provider).status_code == 403
    assert not is_signed_in(client)


@pytest.mark.parametrize("email", ["ADA@example.com", "ada@EXAMPLE.com", "ada@b\u00fccher.example"])
def test_the_providers_address_has_one_canonical_form(client, trusted, email):
    sign_in(client, trusted, email=email)
    [user] = User.objects.all()
    assert user.email in {"ada@example.com", "ada@xn--bcher-kva.example"}
    client.logout()
    answer = sign_in(client, trusted, subject="twin", email=email.upper())
    assert answer.status_code == 403
    assert User.objects.count() == 1


def test_a_confirmed_account_is_connected_if_the_address_is_trusted(client, trusted, person):
    assert sign_in(client, trusted, email=person.email.upper())["Location"] == "/"
    assert is_signed_in(client)
    assert SocialAccount.objects.get().user == person
    person.refresh_from_db()
    assert person.has_usable_password(), "a confirmed account keeps everything"
    senders.send_due()
    assert mail.outbox[-1].subject == "[Latchkey] Your account was connected with Acme"


def test_a_confirmed_account_is_not_connected_without_trust(client, provider, person):
    answer = sign_in(client, provider, email=person.email)
    assert answer.status_code == 403
    assert "Sign in with its password once. Then choose “Connect Acme” on your account's page." in text(answer)
    assert "If you do not know it or never had one, choose “Forgot your password?” on the sign-in page." in text(answer)
    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()


def test_an_account_that_was_registered_in_advance_loses_everything_that_lets_somebody_in(client, trusted, person):
    """H4: an attacker registered the address in advance, set up a second factor and connected an own account."""
    EmailAddress.objects.update(verified=False)
    attacker = Client()
    log_in(attacker, person)
    assert is_signed_in(attacker)
    EmailAddress.objects.create(user=person, email="attacker@example.com")
    TOTP.activate(person, generate_totp_secret())
    SocialAccount.objects.create(user=person, provider="https://old.example", uid="attacker")
    User.objects.filter(pk=person.pk).update(name="Eve")
    project = ProjectFactory(name="Planted", created_by=person)
    MembershipFactory(project=project, user=person, role=Role.OWNER)
    key = create_key(project=project, name="Billing", by=person).key

    assert sign_in(client, trusted, email=person.email)["Location"] == "/"
    assert "So its API keys were paused: Billing in Planted." in text(client.get("/", follow=True))
    key.refresh_from_db()
    person.refresh_from_db()
    assert (key.state, person.name) == ("paused", "")
    assert is_signed_in(client), "no second factor of the attacker is asked for"
    assert attacker.get(reverse("account_email")).status_code == 302, "the attacker is signed out"
    log_in(attacker, person)
    assert not is_signed_in(attacker)
    assert not Authenticator.objects.exists()
    assert SocialAccount.objects.get().uid == "ada"
    address = EmailAddress.objects.get()
    assert (address.email, address.verified, address.primary) == (person.email, True, True)


def test_a_sign_in_that_the_attacker_has_begun_does_not_go_on(client, trusted, person):
    EmailAddress.objects.update(verified=False)
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    attacker = Client()
    assert log_in(attacker, person)["Location"] == reverse("mfa_authenticate")
    sign_in(client, trusted, email=person.email)
    attacker.post(reverse("mfa_authenticate"), {"code": totp_code(secret)})
    assert not is_signed_in(attacker)


def test_who_signed_up_with_an_address_before_its_owner_loses_the_account_to_the_owner(
    client, provider, confirmed_by_code
):
    """H4: the attacker's provider account names the victim's address. The victim resets the password by email."""
    attacker, victim = Client(), client
    sign_in(attacker, provider, subject="attacker", email="victim@example.com")
    victim.post(reverse("account_reset_password"), {"email": "victim@example.com"})
    senders.send_due()
    victim.post(reverse("account_confirm_password_reset_code"), {"code": mailed_code()})
    victim.post(reverse("account_complete_password_reset"), {"password1": PASSWORD, "password2": PASSWORD})
    assert EmailAddress.objects.get().verified
    assert not SocialAccount.objects.exists()
    assert sign_in(attacker, provider, subject="attacker", email="victim@example.com").status_code == 403
    assert not is_signed_in(attacker)


def enter_code(client):
    senders.send_due()
    return client.post(reverse("account_email_verification_sent"), {"code": mailed_code()})


def test_who_signed_up_by_the_provider_in_advance_does_not_keep_the_owner_out(
    client, provider, settings, confirmed_by_code
):
    """H4: somebody at the provider names the address of the boss, whom the provider knows under another subject."""
    settings.SIGN_IN = ["oidc"]
    squatter = Client()
    sign_in(squatter, provider, subject="squatter", email="boss@example.com")
    user = User.objects.get()
    TOTP.activate(user, generate_totp_secret())
    answer = sign_in(client, provider, subject="boss", email="boss@example.com", to="/help/")
    assert answer["Location"] == reverse("account_email_verification_sent")
    assert not is_signed_in(client)
    assert SocialAccount.objects.get().uid == "squatter", "nothing changes before the address is proven"
    assert enter_code(client)["Location"] == "/help/"
    assert is_signed_in(client)
    assert (User.objects.get(), EmailAddress.objects.get().verified) == (user, True)
    row = SocialAccount.objects.get()
    assert (row.uid, row.extra_data) == ("boss", {"email": "boss@example.com"})
    assert not Authenticator.objects.exists()
    assert sign_in(Client(), provider, subject="boss", email="boss@example.com")["Location"] == "/"

    assert sign_in(squatter, provider, subject="squatter", email="boss@example.com").status_code == 403
    squatter.post(reverse("account_email_verification_sent"), {"code": mailed_code()})
    assert not is_signed_in(squatter)


def test_an_account_with_a_password_that_was_never_confirmed_is_cleared_for_its_owner(
    client, provider, person, confirmed_by_code
):
    """H4"""
    EmailAddress.objects.update(verified=False)
    EmailAddress.objects.create(user=person, email="attacker@example.com", verified=True)
    sign_in(client, provider, email=person.email)
    assert not is_signed_in(client), "another address proves nothing"
    enter_code(client)
    assert is_signed_in(client)
    person.refresh_from_db()
    assert not person.has_usable_password()
    assert EmailAddress.objects.get().email == person.email


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_a_prepared_account_is_opened_with_a_code(client, provider, settings, confirmed_by_code, is_confirmed):
    settings.SIGN_IN, settings.SIGN_UP = ["oidc"], "closed"
    user, _ = prepare_account(email=NEW, is_confirmed=is_confirmed)
    assert sign_in(client, provider, email=NEW)["Location"] == reverse("account_email_verification_sent")
    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()
    enter_code(client)
    assert is_signed_in(client)
    assert SocialAccount.objects.get().user == user


def test_an_account_that_is_used_is_not_opened_with_a_code(client, provider, person, confirmed_by_code):
    """H4: neither a confirmed account, nor that of a superuser, who connects it after a sign-in with the password."""
    assert sign_in(client, provider, email=person.email).status_code == 403
    EmailAddress.objects.update(verified=False)
    User.objects.update(is_superuser=True)
    assert sign_in(client, provider, email=person.email).status_code == 403
    User.objects.update(is_superuser=False, is_active=False)
    assert sign_in(client, provider, email=person.email)["Location"] == reverse("account_inactive")
    assert not mail.outbox


def test_a_second_factor_is_asked_for_after_the_provider(client, provider, person):
    SocialAccount.objects.create(user=person, provider=provider.issuer, uid="ada")
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    assert sign_in(client, provider)["Location"] == reverse("mfa_authenticate")
    assert not is_signed_in(client)
    client.post(reverse("mfa_authenticate"), {"code": totp_code(secret)})
    assert is_signed_in(client)


@pytest.mark.parametrize("connected", [True, False])
def test_a_deactivated_account_stays_out(client, trusted, person, connected):
    if connected:
        SocialAccount.objects.create(user=person, provider=trusted.issuer, uid="ada")
    User.objects.update(is_active=False)
    assert sign_in(client, trusted, email=person.email)["Location"] == reverse("account_inactive")
    assert not is_signed_in(client)
    assert SocialAccount.objects.count() == connected


def test_who_is_signed_in_as_somebody_else_changes_to_the_account_of_the_provider(client, provider, person):
    sign_in(client, provider, subject="carol", email=NEW)
    log_in(client, person)
    sign_in(client, provider, subject="carol", email=NEW)
    assert client.session["_auth_user_id"] == str(User.objects.get(email=NEW).pk)


def test_a_code_that_looks_like_an_api_key_works_and_is_not_logged(client, provider, lines, settings):
    code = secret_format.generate(settings.KEY_PREFIX)
    assert sign_in(client, provider, code=code)["Location"] == "/"
    assert is_signed_in(client)
    log = lines.getvalue()
    assert "/accounts/single-sign-on/callback/" in log
    assert code[3:] not in log
    assert "state=" not in log


def test_the_session_holds_no_token_of_the_provider(client, provider, confirmed_by_code):
    sign_in(client, provider)
    assert "an access token" not in str(dict(client.session))


def test_a_provider_in_the_database_is_never_used(client, provider):
    SocialApp.objects.create(provider="openid_connect", provider_id="evil", name="Evil", client_id="x")
    assert begin(client).startswith(provider.issuer)
    for path in (
        "/accounts/oidc/evil/login/",
        "/accounts/3rdparty/",
        "/accounts/3rdparty/signup/",
        "/accounts/social/signup/",
    ):
        assert Client().get(path).status_code == 404


def test_claims_that_the_token_lacks_come_from_userinfo(client, provider):
    provider.userinfo = {"sub": "ada", "email": "from-userinfo@example.com", "email_verified": True}
    sign_in(client, provider, email=None)
    assert User.objects.get().email == "from-userinfo@example.com"


def test_a_person_who_cancels_reads_that_nothing_was_changed(client, provider):
    state = begin(client).partition("state=")[2].partition("&")[0]
    answer = client.get(f"/accounts/single-sign-on/callback/?error=access_denied&state={state}")
    assert answer.status_code == 200
    assert "You left Acme before it was done. Nothing was changed." in text(answer)


def test_new_people_can_be_kept_out(client, provider, settings):
    settings.SIGN_UP = "closed"
    answer = sign_in(client, provider)
    assert answer.status_code == 403
    assert "Nobody can create an account here." in text(answer)
    assert not User.objects.exists()


def test_the_page_of_a_person_without_the_provider_is_as_before(client, db):
    assert "Continue with" not in text(client.get(reverse("account_login")))
    assert client.post("/accounts/single-sign-on/").status_code == 404
    assert client.get("/accounts/single-sign-on/callback/").status_code == 404
