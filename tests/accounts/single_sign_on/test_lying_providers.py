"""Nobody enters an account by a provider that lies, or by an answer that is not for them."""

import base64
import hashlib
import time
from urllib.parse import parse_qs, quote, urlsplit

import jwt
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from accounts.models import User
from accounts.single_sign_on import discovery
from tests.support.people.accounts import is_signed_in
from tests.support.people.lying_provider import LyingProvider, begin, key, pem, public_key, sign_in
from tests.support.places.pages import text

pytestmark = pytest.mark.django_db

CALLBACK = "/accounts/single-sign-on/callback/"


def unsigned(provider):
    provider.algorithm, provider.signing_key = "none", None


def signed_by_another_key(provider):
    provider.signing_key = key(2)


def signed_with_the_public_key(provider):
    """The public key as the secret of HS256. The library refuses to sign so, and an attacker does not ask it."""
    provider.algorithm = "HS256"
    provider.signing_key = pem()


def named_by_an_unknown_key(provider):
    provider.header = {"kid": "key-2"}
    provider.signing_key = key(2)


def userinfo_about_another(provider):
    provider.userinfo = {"sub": "grace", "email": "ada@example.com", "email_verified": True}


FORGED = {
    "no signature": unsigned,
    "another key": signed_by_another_key,
    "HS256 with the public key": signed_with_the_public_key,
    "an unknown key": named_by_an_unknown_key,
}
NOW = int(time.time())
UNTRUE = {
    "another issuer": {"iss": "http://127.0.0.1:1"},
    "another nonce": {"nonce": "guessed"},
    "no nonce": {"nonce": None},
    "a nonce that is no text": {"nonce": ["guessed"]},
    "a nonce that cannot be encoded": {"nonce": "\ud800"},
    "another audience": {"aud": "another client"},
    "an audience of two without its user": {"aud": ["latchkey", "another"]},
    "the token of another user": {"aud": ["latchkey", "another"], "azp": "another"},
    "an expired token": {"exp": NOW - 3600},
    "a token without end": {"exp": None},
    "a token of the future": {"iat": NOW + 100_000},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is no text": {"sub": 17},
    "an endless subject": {"sub": "a" * 256},
    "a subject that cannot be encoded": {"sub": "\ud800"},
    "a time beyond all numbers": {"exp": float("inf")},
    "a time that is no number": {"iat": float("nan")},
}


@pytest.fixture(autouse=True)
def encode_without_questions(monkeypatch):
    """The attacker's library signs with a public key."""
    algorithms = jwt.algorithms.HMACAlgorithm
    monkeypatch.setattr(algorithms, "prepare_key", lambda self, key: key)


@pytest.fixture
def ada(trusted: LyingProvider, client) -> SocialAccount:
    """An account that the provider's subject "ada" opens. Even the address is trusted."""
    assert sign_in(client, trusted).status_code == 302
    assert is_signed_in(client)
    client.logout()
    return SocialAccount.objects.get()


def assert_no_entry(client, answer, status: int = 403) -> None:
    assert answer.status_code == status, text(answer)
    assert not is_signed_in(client)
    assert (User.objects.count(), SocialAccount.objects.count()) == (1, 1)
    assert "Back to sign in" in text(answer)


@pytest.mark.parametrize("lie", FORGED)
def test_a_token_that_the_provider_has_not_signed_lets_nobody_in(client, trusted, ada, lie):
    """H4 nobody enters another person's account by single sign-on: forged signatures."""
    FORGED[lie](trusted)
    assert_no_entry(client, sign_in(client, trusted))


@pytest.mark.parametrize("lie", UNTRUE)
def test_a_token_of_another_sign_in_lets_nobody_in(client, trusted, ada, lie):
    """H4: wrong issuer, nonce, audience, times and subjects."""
    assert_no_entry(client, sign_in(client, trusted, **UNTRUE[lie]))


def test_a_provider_that_calls_itself_another_issuer_is_not_asked(client, trusted, ada):
    truth = trusted._answer("/.well-known/openid-configuration", {})[1]
    trusted.answers["/.well-known/openid-configuration"] = truth | {"issuer": "http://127.0.0.1:1"}
    discovery.forget()
    answer = client.post("/accounts/single-sign-on/")
    assert answer.status_code == 503
    assert not is_signed_in(client)


def test_an_answer_in_another_issuers_name_lets_nobody_in(client, trusted, ada):
    back = trusted.come_back(begin(client)).replace(quote(trusted.issuer, safe=""), "another")
    assert_no_entry(client, client.get(back))


def test_userinfo_about_another_person_lets_nobody_in(client, trusted, ada):
    userinfo_about_another(trusted)
    discovery.forget()
    assert_no_entry(client, sign_in(client, trusted, email=None))


def test_an_answer_works_once_and_only_in_the_browser_that_asked(client, trusted, ada):
    """H4: a replayed code, a replayed state, and an answer that is sent to somebody else's browser."""
    back = trusted.come_back(begin(client))
    other = Client()
    assert_no_entry(other, other.get(back), 400)
    assert client.get(back).status_code == 302
    assert is_signed_in(client)
    client.logout()
    assert_no_entry(client, client.get(back), 400)


def test_a_code_of_another_visit_lets_nobody_in(client, trusted, ada):
    """H4: a stolen code comes with the state of the thief's own visit. Its token has the nonce of the other visit."""
    victim = Client()
    stolen = trusted.come_back(begin(victim)).partition("code=")[2].partition("&")[0]
    own = trusted.come_back(begin(client))
    code = own.partition("code=")[2].partition("&")[0]
    assert_no_entry(client, client.get(own.replace(code, stolen)))


@pytest.mark.parametrize("query", ["", "?state=x&code=y", "?code=y", "?state=" + "x" * 5000, "?state=%F0%9F&error=x"])
def test_an_answer_that_nobody_asked_for_is_refused_in_words(client, trusted, ada, query):
    assert_no_entry(client, client.get(CALLBACK + query), 400)
    assert not trusted.forms[1:], "no code was exchanged"


def test_the_verifier_of_pkce_belongs_to_the_challenge(client, provider):
    address = begin(client)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    client.get(provider.come_back(address))
    verifier = provider.forms[-1]["code_verifier"]
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    assert (asked["code_challenge"], asked["code_challenge_method"]) == (digest, "S256")
    assert asked["response_type"] == "code"
    assert len(asked["nonce"]) >= 43


@pytest.mark.parametrize(
    "query", ["?auth_params=nonce%3Dmine", "?auth_params=redirect_uri%3Dhttps%3A%2F%2Fevil.example", "?scope=offline"]
)
def test_the_query_changes_nothing_of_what_the_provider_is_asked(client, provider, settings, query):
    """allauth's own page would take any parameter from its query."""
    address = begin(client, f"/accounts/single-sign-on/{query}&process=connect")
    assert "mine" not in address
    assert "evil" not in address
    assert "offline" not in address
    assert f"redirect_uri={quote(settings.BASE_URL, safe='')}%2Faccounts" in address


@pytest.mark.parametrize("length", [191, 192, 255])
def test_a_long_subject_is_one_person_each(client, trusted, length):
    one, other = "a" * length, "a" * (length - 1) + "b"
    for subject, email in ((one, "one@example.com"), (other, "other@example.com"), (one, "renamed@example.com")):
        sign_in(client, trusted, subject=subject, email=email)
        assert is_signed_in(client)
    assert client.session["_auth_user_id"] == str(User.objects.get(email="one@example.com").pk)
    assert set(User.objects.values_list("email", flat=True)) == {"one@example.com", "other@example.com"}


def replace_key(provider):
    """Under the name that it has."""
    provider.signing_key = key(2)
    provider.answers["/keys"] = {"keys": [public_key(2) | {"kid": "key-1"}]}


def test_a_key_that_the_provider_replaces_under_its_name_is_asked_for(client, trusted, ada, monkeypatch):
    replace_key(trusted)
    monkeypatch.setattr(discovery, "KEYS_LEAST_SECONDS", 0.0)
    sign_in(client, trusted)
    assert is_signed_in(client)


def test_forged_tokens_do_not_make_us_ask_for_keys_each_time(client, trusted, ada, monkeypatch):
    monkeypatch.setattr(discovery, "KEYS_LEAST_SECONDS", 3600.0)
    asked = trusted.asked.count("/keys")
    for forge in (signed_by_another_key, named_by_an_unknown_key):
        forge(trusted)
        assert_no_entry(client, sign_in(client, trusted))
    assert trusted.asked.count("/keys") == asked


# Addresses


def test_another_subject_with_the_same_address_gets_nothing(client, trusted, ada):
    """H4: another subject of the provider says that it has the address, verified and trusted."""
    answer = sign_in(client, trusted, subject="mallory")
    assert_no_entry(client, answer)
    assert "connected with another account" in text(answer)


UNVERIFIED = (False, None, "yes", "true", 1)


@pytest.mark.parametrize("claims", [{"email_verified": said} for said in UNVERIFIED])
def test_an_unverified_address_opens_no_account(client, trusted, ada, claims):
    """H4: the provider is trusted, but has not verified the address."""
    SocialAccount.objects.update(uid="somebody else")
    answer = sign_in(client, trusted, **claims)
    assert_no_entry(client, answer)
    assert "Sign in with its password once" in text(answer)


def test_the_address_of_another_account_opens_nothing_while_addresses_are_not_trusted(client, provider, person):
    """H4: with OIDC_TRUST_EMAIL off, which is the default."""
    answer = sign_in(client, provider, email=person.email)
    assert answer.status_code == 403
    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize(
    "email", ["", None, 17, "no address", "\u017fofia@example.com", "a@b@example.com", "x" * 300, "\ud800"]
)
def test_what_is_no_address_creates_no_account(client, trusted, email):
    answer = sign_in(client, trusted, email=email)
    assert answer.status_code == 403
    assert "Ask an administrator" in text(answer)
    assert not User.objects.exists()


@pytest.mark.parametrize("email", ["a\0@example.com", "\ud800@example.com", "x" * 300, 17])
def test_a_person_whose_address_cannot_be_stored_signs_in(client, trusted, ada, email):
    """The account is connected, so the address decides nothing."""
    assert sign_in(client, trusted, email=email).status_code == 302
    assert is_signed_in(client)


def test_an_unconfirmed_account_of_single_sign_on_waits_for_its_code(client, provider, confirmed_by_code):
    """H4: who signs up with somebody else's address does not get in, and has nothing confirmed."""
    answer = sign_in(client, provider)
    assert answer["Location"] == "/accounts/confirm-email/"
    assert not is_signed_in(client)
    assert not EmailAddress.objects.get().verified
