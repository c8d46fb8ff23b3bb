"""An address that somebody wants to change to belongs to nobody until it is confirmed."""

from functools import partial
from threading import Barrier
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import EmailUserManager, User
from tests.support.factories import PASSWORD
from tests.support.people.accounts import LOGIN, SIGN_UP, mailed_code, page_of
from tests.support.programs.parallel import SECONDS_TO_START, in_parallel

ADDRESSES, RESET = reverse("account_email"), reverse("account_reset_password")
RESET_CODE, RESET_END = reverse("account_confirm_password_reset_code"), reverse("account_complete_password_reset")
THEIRS = "another calm river 7"


def signed_up(email, password=PASSWORD):
    cache.clear()
    client = Client()
    assert client.post(SIGN_UP, {"email": email, "password1": password}).status_code == 302
    return client


def claim(client, email):
    """The confirmation link. The reader of the address's email can use it to make the address the client's."""
    cache.clear()
    assert client.post(ADDRESSES, {"email": email, "action_add": "1"}).status_code == 302
    link = next(word for word in mail.outbox[-1].body.split() if "/confirm-email/" in word)
    return urlsplit(link).path


def signs_in(email, password):
    cache.clear()
    client = Client()
    assert client.post(LOGIN, {"login": email, "password": password}).status_code in {200, 302}
    pk = client.session.get("_auth_user_id")
    return pk and User.objects.get(pk=pk).email


@pytest.mark.django_db
def test_a_claim_keeps_nobody_from_signing_up_and_getting_back_in():
    """T43"""
    claimer = signed_up("eve@else.test", THEIRS)
    link = claim(claimer, "dora@corp.test")
    signed_up("dora@corp.test")
    dora = User.objects.having("dora@corp.test")
    assert EmailAddress.objects.get(user=dora).primary
    assert signs_in("dora@corp.test", PASSWORD) == "dora@corp.test"
    assert signs_in("dora@corp.test", THEIRS) is None

    client = Client()
    client.post(RESET, {"email": "Dora@corp.test"})
    client.post(RESET_CODE, {"code": mailed_code()})
    client.post(RESET_END, {"password1": "a third one 12", "password2": "a third one 12"})
    assert signs_in("dora@corp.test", "a third one 12") == "dora@corp.test"
    assert signs_in("eve@else.test", THEIRS) == "eve@else.test"

    answer = Client().post(link)
    assert answer.status_code in {200, 302}
    assert signs_in("dora@corp.test", "a third one 12") == "dora@corp.test"


@pytest.mark.django_db
def test_a_claim_to_an_unconfirmed_accounts_address_is_refused_when_it_is_confirmed():
    """T43"""
    signed_up("dora@corp.test")
    claimer = signed_up("eve@else.test", THEIRS)
    link = claim(claimer, "DORA@corp.test")
    answer = claimer.post(link, follow=True)
    assert "belongs to another account" in page_of(answer)
    assert signs_in("dora@corp.test", PASSWORD) == "dora@corp.test"
    assert signs_in("eve@else.test", THEIRS) == "eve@else.test"


@pytest.mark.django_db
def test_the_first_confirmed_of_two_claims_holds():
    """T43: this holds even if the two claims spell the address differently."""
    links = [claim(signed_up(f"{name}@else.test"), f"new@{domain}") for name, domain in CLAIMS]
    for link in links:
        assert Client().post(link).status_code == 302
    assert sorted(User.objects.values_list("email", flat=True)) == ["eve@else.test", "new@xn--mller-kva.test"]


CLAIMS = [("ada", "m\u00fcller.test"), ("eve", "XN--MLLER-KVA.test")]


def test_one_of_several_claims_confirmed_at_once_holds(transactional_db, monkeypatch):
    """T43: all confirmations read the database before one of them writes."""
    links = [claim(signed_up(f"{number}@else.test"), "new@corp.test") for number in range(4)]
    look, together = EmailUserManager.having, Barrier(len(links))

    def look_together(users, address):
        found = look(users, address)
        together.wait(SECONDS_TO_START)
        return found

    monkeypatch.setattr(EmailUserManager, "having", look_together)
    answers = in_parallel([partial(Client().post, link) for link in links])
    assert {answer.status_code for answer in answers} == {302}
    assert User.objects.filter(email="new@corp.test").count() == 1
    assert User.objects.count() == 4
