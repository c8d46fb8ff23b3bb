"""Every form that accepts an address does the same work whether or not the address has an account.

Equal work takes equal time. tests/faults/test_timing.py measures the time.
"""

import cProfile
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.db import connection
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from common.outbox.models import Email
from tests.support.factories import UserFactory
from tests.support.people.accounts import CODE, LOGIN, NEW_PASSWORD, PASSWORD, SIGN_UP
from tests.support.stored.statements import shapes

pytestmark = pytest.mark.nodb

RESET, RESET_CODE = reverse("account_reset_password"), reverse("account_confirm_password_reset_code")
ADDRESS = reverse("account_email")
WRONG = {"code": "WRONG1"}

hashes: list[str] = []


class CountedHasher(MD5PasswordHasher):
    def encode(self, password: str, salt: str) -> str:
        hashes.append(salt)
        return super().encode(password, salt)


class Lines(logging.Handler):
    """Counts the lines of the log. They may differ, but each takes as long."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


class Work(NamedTuple):
    """Everything that takes time."""

    status: int
    location: str | None
    hashes: int
    emails: int
    lines: int
    statements: list[str]
    calls: int  # of functions, also of those that are built in


ADDRESS_TABLE = '"account_emailaddress"'
# What accounts/sign_in/nobody.py asks for, and what it stands for.
STAND_INS = {
    '"accounts_user"."id" > ?': '"accounts_user"."id" = ?',
    f'WHERE {ADDRESS_TABLE}."id" > ?': f'WHERE ({ADDRESS_TABLE}."email" = ? AND {ADDRESS_TABLE}."user_id" = ?)',
}


def with_twins(statement: str) -> str:
    for stand_in, twin in STAND_INS.items():
        statement = statement.replace(stand_in, twin)
    return statement


def work_of(act: Callable[[], Any]) -> Work:
    """The work that `act` causes on the server. Limits that earlier calls used up are reset."""
    cache.clear()
    hashes.clear()
    Email.objects.all().delete()
    profile, lines = cProfile.Profile(), Lines()
    logging.getLogger().addHandler(lines)
    try:
        with CaptureQueriesContext(connection) as captured, TestCase.captureOnCommitCallbacks(execute=True):
            answer = profile.runcall(act)
    finally:
        logging.getLogger().removeHandler(lines)
    statements = [with_twins(shape) for shape in shapes(captured)]
    calls = sum(entry.callcount for entry in profile.getstats())
    emails = Email.objects.count()
    return Work(answer.status_code, answer.get("Location"), len(hashes), emails, lines.count, statements, calls)


def account(kind: str, *, verified: bool = True, **fields: Any) -> str:
    user = UserFactory(email=f"{kind}@example.com", **{"password": PASSWORD, **fields})
    EmailAddress.objects.create(user=user, email=user.email, verified=verified, primary=True)
    return str(user.email)


@pytest.fixture
def addresses(settings, db) -> list[str]:
    """An address without an account, then an address of each kind of account."""
    settings.PASSWORD_HASHERS = [f"{__name__}.CountedHasher"]
    settings.EMAIL_BACKEND = "common.outbox.enqueueing.EmailBackend"
    return [
        "unknown@example.com",
        account("confirmed"),
        account("unconfirmed", verified=False),
        account("inactive", is_active=False),
        account("passkey", password=None),
        str(UserFactory(email="admin-made@example.com", password=PASSWORD).email),
    ]


def sign_in(address: str, inside: Client) -> dict[str, Work]:
    client = Client()
    return {"sign-in": work_of(lambda: client.post(LOGIN, {"login": address, "password": "wrong"}))}


def reset(address: str, inside: Client) -> dict[str, Work]:
    client = Client()
    return {
        "reset": work_of(lambda: client.post(RESET, {"email": address})),
        "its page": work_of(lambda: client.get(RESET_CODE)),
        "no code": work_of(lambda: client.post(RESET_CODE, {"code": ""})),
        **{f"wrong code {number}": work_of(lambda: client.post(RESET_CODE, WRONG)) for number in (1, 2)},
    }


def sign_up(address: str, inside: Client) -> dict[str, Work]:
    client = Client()
    return {
        "sign-up": work_of(lambda: client.post(SIGN_UP, {"email": address, "password1": NEW_PASSWORD})),
        "its page": work_of(lambda: client.get(CODE)),
        "sign-in meanwhile": work_of(lambda: client.get(LOGIN)),
        "another code": work_of(lambda: client.post(CODE, {"action": "resend"})),
        "another address": work_of(lambda: client.post(CODE, {"action": "change", "email": "other@example.com"})),
        **{f"wrong code {number}": work_of(lambda: client.post(CODE, WRONG)) for number in (1, 2)},
    }


def new_address(address: str, inside: Client) -> dict[str, Work]:
    return {
        "new address": work_of(lambda: inside.post(ADDRESS, {"email": address, "action_add": "1"})),
        "its page": work_of(lambda: inside.get(CODE)),
        "another code": work_of(lambda: inside.post(CODE, {"action": "resend"})),
        **{f"wrong code {number}": work_of(lambda: inside.post(CODE, WRONG)) for number in (1, 2)},
    }


HASHES = {"sign-in": 1, "sign-up": 1}
# Random salts take up to 4 % of the calls, most of them for an account without a password. T51 promises 10 %.
MOST_CALLS_APART = 0.1
EMAILS = {"reset": 1, "sign-up": 1, "new address": 1, "another code": 1}


@pytest.mark.usefixtures("confirmed_by_code")
@pytest.mark.parametrize("way", [sign_in, reset, sign_up, new_address], ids=lambda way: way.__name__)
def test_an_address_that_has_an_account_costs_the_same_work_as_an_unknown_one(addresses, inside, way):
    """T51: every answer needs as many hashes, emails and lines of the log, and the same statements in their order."""
    for first in ("first@example.com", account("first-known")):  # reads templates, which then stay in memory
        way(first, inside)
    unknown, *known = [way(address, inside) for address in addresses]
    for step, work in unknown.items():
        assert (work.hashes, work.emails) == (HASHES.get(step, 0), EMAILS.get(step, 0)), step
    for address, steps in zip(addresses[1:], known, strict=True):
        for step, work in steps.items():
            assert work[:-1] == unknown[step][:-1], (address, step)
            assert work.calls == pytest.approx(unknown[step].calls, rel=MOST_CALLS_APART), (address, step)


@pytest.mark.usefixtures("confirmed_by_code")
def test_a_sign_up_with_a_taken_address_leaves_no_account(addresses):
    before = set(User.objects.values_list("email", flat=True)), EmailAddress.objects.count()
    sign_up(addresses[1], Client())
    assert (set(User.objects.values_list("email", flat=True)), EmailAddress.objects.count()) == before


def test_the_admin_has_no_sign_in_of_its_own(client, db):
    """T51"""
    for answer in (client.get("/admin/login/"), client.post("/admin/login/", {"username": "a@example.com"})):
        assert answer["Location"].startswith(LOGIN)
