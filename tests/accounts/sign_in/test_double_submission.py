"""Account forms that are sent several times at once: one takes effect, and the others do not fail."""

from collections import Counter
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from threading import Barrier

import pytest
from allauth.account.models import EmailAddress
from allauth.account.signals import _add_email
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django.db import IntegrityError
from django.db.models.signals import pre_save
from django.test import Client, RequestFactory
from django.urls import resolve, reverse

from accounts.models import User
from accounts.sign_in import hashing
from accounts.sign_in.double_submission import SEEN_AT, DoubleSubmission
from common.slow_clients import slots
from common.slow_clients.slots import Slots
from tests.support.people.accounts import CODE, LOGIN, PASSWORD, SIGN_UP, is_signed_in, log_in, page_of, totp_code
from tests.support.programs.parallel import SECONDS_TO_START, in_parallel

TIMES = 4
HELP = {"next": "/help/"}
FIELDS = {"email": "ada@example.com", "password1": PASSWORD, **HELP}
EMAIL, ACTIVATE = reverse("account_email"), reverse("mfa_activate_totp")


@pytest.fixture(autouse=True)
def slots_for_all(monkeypatch):
    """Enough slots for all forms, because these tests are about forms that are all accepted."""
    monkeypatch.setattr(hashing, "_at_work", Slots(TIMES))
    monkeypatch.setattr(slots, "SIGNING_IN", TIMES + 1)
    monkeypatch.setattr(slots, "_signing_in", Slots(TIMES + 1))
    monkeypatch.setattr(hashing, "_way", slots.WayIn())


def sent_at_once(path, fields, session=None):
    """Sends one form from several clients at once, all with the same session if one is given. Returns each client with
    its answer.
    """
    clients = [Client() for _ in range(TIMES)]
    for client in clients:
        client.cookies.update(session.cookies if session else {})
    return list(zip(clients, in_parallel([partial(client.post, path, fields) for client in clients]), strict=True))


@contextmanager
def all_at(signal):
    """Holds every request at the signal, between the form's check and its insert, until all requests are there."""
    together = Barrier(TIMES)

    def wait(sender, instance=None, **kwargs):
        if instance is None or instance._state.adding:
            together.wait(SECONDS_TO_START)

    signal.connect(wait, sender=User)
    try:
        yield
    finally:
        signal.disconnect(wait, sender=User)


def signed_up_at_once(leads_to):
    """The client whose sign-up created the account, and another client."""
    with all_at(pre_save):
        sent = sent_at_once(SIGN_UP, FIELDS)
    first = [client for client, answer in sent if answer.headers.get("Location") == leads_to]
    others = [client for client, answer in sent if answer.headers.get("Location") == f"{LOGIN}?next=%2Fhelp%2F"]
    assert (len(first), len(others)) == (1, TIMES - 1)
    assert EmailAddress.objects.get().user == User.objects.get()
    # A browser that also received the first answer keeps that answer's session and is redirected.
    assert all("sessionid" not in client.cookies for client in others)
    assert first[0].get(LOGIN, HELP)["Location"] == leads_to
    return first[0], others[0]


def test_one_of_several_sign_ups_creates_the_account_and_the_others_lead_to_it(transactional_db, caplog):
    """T14"""
    first, other = signed_up_at_once("/help/")
    assert "submitted_twice" in caplog.text
    assert "ada@example.com" not in caplog.text
    assert is_signed_in(first)
    assert "has just been created" in page_of(other.get(LOGIN, HELP))
    assert log_in(other, User.objects.get(), **HELP)["Location"] == "/help/"


@pytest.mark.usefixtures("confirmed_by_code")
def test_one_of_several_sign_ups_by_code_sends_an_email(transactional_db, mailoutbox):
    """T14"""
    signed_up_at_once(CODE)
    assert len(mailoutbox) == 1


def test_one_of_several_addresses_sent_at_once_is_added(transactional_db, inside, person):
    """T14"""
    with all_at(_add_email):
        sent = sent_at_once(EMAIL, {"email": "countess@example.com", "action_add": ""}, inside)
    assert Counter(answer.headers.get("Location") for _, answer in sent) == {EMAIL: TIMES}
    assert "countess@example.com" in page_of(inside.get(EMAIL))
    assert person.emailaddress_set.filter(email="countess@example.com").count() == 1


def test_one_of_several_authenticator_apps_sent_at_once_is_set_up(transactional_db, inside, person):
    """T14"""
    inside.get(ACTIVATE)
    sent = sent_at_once(ACTIVATE, {"code": totp_code(inside.session[SECRET_SESSION_KEY])}, inside)
    assert [answer.status_code for _, answer in sent] == [HTTPStatus.FOUND] * TIMES
    assert "10 of 10 left" in page_of(inside.get(reverse("mfa_view_recovery_codes")))
    assert sorted(Authenticator.objects.values_list("type", flat=True)) == ["recovery_codes", "totp"]


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        *[("POST", reverse(name), ValueError()) for name in SEEN_AT],
        *[("GET", reverse(name), IntegrityError()) for name in SEEN_AT],
        *[("POST", path, IntegrityError()) for path in (LOGIN, "/projects/new/", "/admin/accounts/user/add/")],
    ],
)
def test_other_faults_stay_faults(method, path, error):
    request = RequestFactory().generic(method, path)
    request.resolver_match = resolve(path)
    assert DoubleSubmission(lambda request: None).process_exception(request, error) is None
