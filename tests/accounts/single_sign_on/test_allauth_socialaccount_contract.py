"""Parts of allauth's socialaccount that accounts/single_sign_on/allauth_provider.py relies on.

A release of allauth that changes them fails here.
"""

from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.internal.flows.reauthentication import suspend_request
from allauth.core import context
from allauth.socialaccount import providers
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied

from accounts import allauth_internals
from accounts.sessions.store import SessionStore
from accounts.single_sign_on.allauth_provider import CONFIRM, Provider, Visit, address_to_visit, take_visit
from accounts.single_sign_on.discovery import ProviderAddresses
from accounts.single_sign_on.problems import Problem

pytestmark = pytest.mark.django_db

FOUND = ProviderAddresses("https://acme.example/authorize", "https://acme.example/token", "", "", False)
VISIT = Visit(CONFIRM, "a nonce", "", 1_000.0, 17, "/help/")


@pytest.fixture
def request_(rf, settings):
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID = "https://acme.example", "latchkey"
    settings.SIGN_IN = ["oidc"]
    request = rf.get("/")
    request.user, request.session = AnonymousUser(), SessionStore()
    with context.request_context(request):
        yield request


def test_a_visit_has_a_state_and_a_challenge_of_its_own_and_is_taken_once(request_, rf):
    first = parse_qs(urlsplit(address_to_visit(request_, FOUND, VISIT, prompt="login")).query)
    second = parse_qs(urlsplit(address_to_visit(request_, FOUND, VISIT)).query)
    assert first["state"] != second["state"]
    assert first["code_challenge"] != second["code_challenge"]
    assert (first["prompt"], first["nonce"]) == (["login"], ["a nonce"])
    assert set(first["scope"][0].split()) == {"openid", "email"}
    request_.GET = {"state": first["state"][0]}
    taken = take_visit(request_)
    assert taken._replace(verifier="") == VISIT
    assert len(taken.verifier) >= 43
    with pytest.raises(Problem):
        take_visit(request_)


def test_a_state_of_another_provider_is_not_taken(request_, settings):
    state = parse_qs(urlsplit(address_to_visit(request_, FOUND, VISIT)).query)["state"][0]
    settings.OIDC_ISSUER = "https://another.example"
    with pytest.raises(PermissionDenied):
        Provider(request_).unstash_redirect_state(request_, state)


def test_an_address_with_a_query_keeps_it(request_):
    address = address_to_visit(request_, FOUND._replace(authorization="https://acme.example/authorize?policy=a"), VISIT)
    asked = parse_qs(urlsplit(address).query)
    assert asked["policy"] == ["a"]
    assert asked["client_id"] == ["latchkey"]


def test_allauth_has_no_provider_and_no_page_of_its_own():
    assert not providers.registry.get_class_list()


def test_a_subject_of_an_issuer_opens_one_account():
    assert ("provider", "uid") in SocialAccount._meta.unique_together
    assert SocialAccount._meta.get_field("provider").max_length == 200
    assert SocialAccount._meta.get_field("uid").max_length == 191


def test_a_session_remembers_when_the_person_signed_in_at_the_provider(request_, owner):
    allauth_internals.record_single_sign_on(request_, owner, uid="ada", auth_time=5.0)
    [record] = request_.session[AUTHENTICATION_METHODS_SESSION_KEY]
    assert (record["method"], record["type"], record["uid"]) == ("socialaccount", "single_sign_on", "ada")
    assert record["auth_time"] == 5.0


def test_a_form_that_waits_for_a_confirmation_is_dropped(request_):
    request_.method = "POST"
    suspend_request(request_, "/")
    assert request_.session.keys()
    allauth_internals.forget_suspended_form(request_)
    assert not request_.session.keys()
