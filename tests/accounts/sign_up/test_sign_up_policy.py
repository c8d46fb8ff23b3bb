"""SIGN_UP and SIGN_UP_DOMAINS say who may get an account, in words, and reveal no account."""

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.sign_up import sign_up_policy
from config.environment.given_addresses import mail_domains
from projects.invitations.models import Invitation
from projects.permissions import Role
from projects.services import delete_project
from tests.support.people.accounts import CODE, LOGIN, PASSWORD, SIGN_UP
from tests.support.places.pages import text

pytestmark = pytest.mark.nodb

NEW = "grace@example.com"


def sign_up(email: str = NEW) -> Any:
    cache.clear()
    return Client().post(SIGN_UP, {"email": email, "password1": PASSWORD})


def invite(project: Any, email: str = NEW, **facts: Any) -> Invitation:
    ends = {"expires_at": timezone.now() + timedelta(days=7)}
    return Invitation.objects.create(project=project, email=email, role=Role.VIEWER, **{**ends, **facts})


@pytest.mark.parametrize(
    ("way", "invited", "stranger"), [("open", True, True), ("invited", True, False), ("closed", False, False)]
)
def test_sign_up_is_for_everybody_for_invited_people_or_for_nobody(project, settings, way, invited, stranger):
    settings.SIGN_UP = way
    invite(project)
    for email, allowed in ((NEW, invited), ("mallory@example.com", stranger)):
        assert (sign_up_policy.refusal(email) is None) is allowed
        sign_up(email)
        assert User.objects.filter(email=email).exists() is allowed, email


def test_only_an_invitation_that_can_be_accepted_counts(project, owner, settings):
    settings.SIGN_UP = "invited"
    ended = [
        {"expires_at": timezone.now()},
        {"revoked_at": timezone.now()},
        {"accepted_at": timezone.now(), "accepted_by": owner},
    ]
    for facts in ended:
        invitation = invite(project, **facts)
        assert "has not been invited" in str(sign_up_policy.refusal(NEW)), facts
        assert sign_up_policy.refusal(NEW, invited=True) is None
        invitation.delete()
    invite(project)
    assert sign_up_policy.refusal(NEW) is None
    delete_project(project=project, by=owner)
    assert sign_up_policy.refusal(NEW)


@pytest.mark.parametrize(
    ("way", "words", "has_form"),
    [
        ("invited", "Only people who were invited can create an account here.", True),
        ("closed", "Nobody can create an account here. Ask an administrator of this server for an account.", False),
    ],
)
def test_where_sign_up_is_not_open_its_page_says_so_and_no_page_leads_to_it(db, settings, way, words, has_form):
    client = Client()
    for page in (reverse("home"), LOGIN):
        assert f'href="{SIGN_UP}' in client.get(page).content.decode()
    settings.SIGN_UP = way
    answer = client.get(SIGN_UP)
    assert answer.status_code == 200
    assert words in text(answer)
    assert ('name="password1"' in answer.content.decode()) is has_form
    for page in (reverse("home"), LOGIN):
        assert SIGN_UP not in client.get(page).content.decode()
    client.post(reverse("account_reset_password"), {"email": NEW})
    assert SIGN_UP not in mail.outbox[-1].body
    assert words.partition(".")[0] in mail.outbox[-1].body


def test_only_addresses_of_the_domains_get_an_account_by_sign_up_or_by_a_change(inside, person, settings):
    settings.SIGN_UP_DOMAINS = ["acme.com", "xn--bcher-kva.example"]
    words = "Use an address of acme.com or xn--bcher-kva.example. Others are not allowed on this server."
    for email in (NEW, "a@sub.acme.com", "a@acme.com.example.com", "a@notacme.com"):
        assert words in text(sign_up(email)), email
        assert words in text(inside.post(reverse("account_email"), {"email": email, "action_add": "1"})), email
    assert not EmailAddress.objects.exclude(email=person.email).exists()
    assert set(User.objects.all()) == {person}
    for email in ("Ada@ACME.com", "a@bücher.example"):
        assert sign_up(email).status_code == 302
    assert User.objects.filter(email__in=["ada@acme.com", "a@xn--bcher-kva.example"]).count() == 2
    inside.post(reverse("account_email"), {"email": "countess@acme.com", "action_add": "1"})
    assert EmailAddress.objects.filter(email="countess@acme.com").exists()


def test_a_domain_is_needed_by_invited_people_too(settings):
    settings.SIGN_UP_DOMAINS = ["acme.com"]
    assert sign_up_policy.refusal(NEW, invited=True) == sign_up_policy.domain_refusal(NEW) != None  # noqa: E711
    assert sign_up_policy.domain_refusal("a@acme.com") is None


@pytest.mark.usefixtures("confirmed_by_code")
@pytest.mark.parametrize(("way", "domains"), [("invited", []), ("open", ["acme.com"])])
def test_a_rejected_address_does_the_same_work_with_and_without_an_account(person, settings, way, domains):
    """T51: the answer and the statements do not show whether the address has an account."""
    settings.SIGN_UP, settings.SIGN_UP_DOMAINS = way, domains
    seen = []
    for email in ("unknown@example.com", person.email):
        with CaptureQueriesContext(connection) as captured:
            answer = sign_up(email)
        statements = [re.sub(r" (SET|WHERE|VALUES) .*", "", query["sql"]) for query in captured]
        seen.append((answer.status_code, text(answer), statements))
    assert seen[0] == seen[1]
    assert not mail.outbox


@pytest.mark.usefixtures("confirmed_by_code")
def test_an_invited_address_that_has_an_account_is_answered_as_one_that_has_none(project, person, settings):
    """T51"""
    settings.SIGN_UP = "invited"
    for email in (NEW, person.email):
        invite(project, email)
        assert sign_up(email)["Location"] == CODE


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("", []),
        ("Acme.com, bücher.example,acme.com", ["acme.com", "xn--bcher-kva.example"]),
        ("localhost", ["localhost"]),
    ],
)
def test_domains_are_read_in_the_form_that_accounts_have(monkeypatch, given, read):
    monkeypatch.setenv("SIGN_UP_DOMAINS", given)
    assert mail_domains("SIGN_UP_DOMAINS") == read


@pytest.mark.parametrize(
    "given", ["*.acme.com", "@acme.com", "a@acme.com", ".acme.com", "acme", "acme.com/x", "a b.com", ","]
)
def test_what_is_no_domain_is_rejected_by_its_name(monkeypatch, given):
    monkeypatch.setenv("SIGN_UP_DOMAINS", given)
    with pytest.raises(ImproperlyConfigured, match=r"^SIGN_UP_DOMAINS: "):
        mail_domains("SIGN_UP_DOMAINS")
