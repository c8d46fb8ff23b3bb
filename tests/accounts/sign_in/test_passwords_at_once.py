"""A process hashes only a few passwords at once. One too many is answered 503, counts towards no limit and changes
nothing.
"""

import re
from functools import partial
from threading import Barrier

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import hashers
from django.urls import reverse

from accounts.models import User
from accounts.sign_in import hashing
from accounts.sign_in.hashing import MESSAGE, TooManyAtOnce
from common.slow_clients.slots import Slots, share
from tests.support.environment import REPOSITORY
from tests.support.factories import UserFactory
from tests.support.people.accounts import (
    LOGIN,
    NEW_PASSWORD,
    PASSWORD,
    SIGN_UP,
    is_signed_in,
    log_in,
    mailed_code,
    page_of,
)
from tests.support.people.visitor import Visitor
from tests.support.programs.parallel import in_parallel

pytestmark = pytest.mark.nodb

RESET, RESET_CODE = reverse("account_reset_password"), reverse("account_confirm_password_reset_code")
NEW_AFTER_RESET = reverse("account_complete_password_reset")
CHANGE, CONFIRM = reverse("account_change_password"), reverse("account_reauthenticate")


@pytest.fixture(autouse=True)
def real_hasher(settings, quick_passwords, monkeypatch) -> None:
    settings.PASSWORD_HASHERS = ["accounts.sign_in.hashing.PasswordHasher"]
    monkeypatch.setattr(hashing, "SECONDS_TO_WAIT", 0.01)


@pytest.fixture
def others_hash(monkeypatch) -> Slots:
    """Other requests hold all slots while the test runs. The test's person and password are made before."""
    slots = Slots(1)
    monkeypatch.setattr(hashing, "_at_work", slots)
    slots.take()
    return slots


def assert_refused(answer) -> str:
    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"
    page = page_of(answer)
    assert MESSAGE in page
    assert PASSWORD not in page
    return page


# Forms


@pytest.mark.django_db
def test_a_sign_in_that_is_refused_keeps_the_address_and_is_no_wrong_password(client, person, others_hash):
    """After five wrong passwords, the person would be locked out for five minutes."""
    for _ in range(6):
        page = assert_refused(log_in(client, person))
        assert f'value="{person.email}"' in page
    others_hash.give_back()
    assert log_in(client, person).status_code == 302
    assert is_signed_in(client)


@pytest.mark.django_db
def test_a_sign_up_that_is_refused_makes_no_account(client, others_hash):
    page = assert_refused(client.post(SIGN_UP, {"email": "grace@example.com", "password1": PASSWORD}))
    assert 'value="grace@example.com"' in page
    assert not User.objects.filter(email="grace@example.com").exists()
    others_hash.give_back()
    assert client.post(SIGN_UP, {"email": "grace@example.com", "password1": PASSWORD}).status_code == 302


@pytest.mark.django_db
def test_a_reset_that_is_refused_can_be_tried_again(client, person, others_hash):
    client.post(RESET, {"email": person.email})
    assert client.post(RESET_CODE, {"code": mailed_code()}).status_code == 302
    new = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert_refused(client.post(NEW_AFTER_RESET, new))
    others_hash.give_back()
    assert client.post(NEW_AFTER_RESET, new).status_code == 302
    person.refresh_from_db()
    assert person.check_password(NEW_PASSWORD)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHANGE, {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}),
        (CONFIRM, {"password": PASSWORD}),
    ],
)
@pytest.mark.slow
def test_a_change_or_a_confirmation_that_is_refused_can_be_tried_again(inside, person, monkeypatch, path, fields):
    slots = Slots(1)
    monkeypatch.setattr(hashing, "_at_work", slots)
    slots.take()
    assert_refused(inside.post(path, fields))
    slots.give_back()
    assert inside.post(path, fields).status_code == 302


@pytest.mark.django_db
def test_a_first_password_that_is_refused_is_not_set(client, others_hash):
    person = UserFactory(email="ada@example.com")
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    new = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert_refused(client.post(reverse("account_set_password"), new))
    person.refresh_from_db()
    assert not person.has_usable_password()


@pytest.mark.django_db
def test_the_admin_says_the_same_where_it_sets_a_password(signed_in, admin, others_hash):
    page = reverse("admin:accounts_user_add")
    form = {"email": "new@example.com", "usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert_refused(signed_in(admin).post(page, form))
    assert not User.objects.filter(email="new@example.com").exists()


@pytest.mark.django_db
def test_a_slot_ends_with_its_request(client, person, monkeypatch):
    """This holds for a wrong password, a right one and one that cannot be used."""
    monkeypatch.setattr(hashing, "_at_work", Slots(1))
    assert log_in(client, person, "wrong").status_code == 200
    assert client.post(SIGN_UP, {"email": "x", "password1": "y"}).status_code == 200
    assert log_in(client, person).status_code == 302
    assert hashing._at_work.take(), "no request holds the slot any more"


# The hasher


def test_a_hash_beyond_the_limit_is_refused_wherever_it_is_asked_for(others_hash):
    """This includes the hash that hides whether there is an account."""
    encoded = "pbkdf2_sha256$1000000$salt$hash"
    for hash_one in (
        lambda: hashers.make_password("x"),
        lambda: hashers.check_password("x", encoded),
        lambda: hashers.check_password("x", "!unusable"),
        lambda: User().set_password("x"),
    ):
        with pytest.raises(TooManyAtOnce):
            hash_one()


def test_a_hash_is_stored_as_django_stores_it(settings):
    ours = hashers.make_password("correct horse")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    assert hashers.check_password("correct horse", ours)
    theirs = hashers.make_password("correct horse")
    settings.PASSWORD_HASHERS = ["accounts.sign_in.hashing.PasswordHasher"]
    assert hashers.check_password("correct horse", theirs)
    assert not hashers.get_hasher().must_update(theirs)


def test_only_a_quarter_of_the_threads_gets_a_slot():
    all_asked = Barrier(8)

    def begin() -> bool:
        has_slot = hashing.begin()
        all_asked.wait(60)
        hashing._end()
        return has_slot

    assert sum(in_parallel([begin] * 8)) == share() == 2


def test_no_other_hasher_is_in_use():
    """Another hasher would have no limit."""
    assert re.search(r'^PASSWORD_HASHERS = \["accounts.sign_in.hashing.PasswordHasher"\]$', SETTINGS, re.M)


SETTINGS = (REPOSITORY / "config" / "settings.py").read_text()


# The real server


@pytest.mark.usefixtures("transactional_db")
def test_forty_sign_ins_at_once_are_all_answered_and_none_counts_as_failed(start_server):
    """T46: the part about passwords. Two sign-ins at once both succeed, and those beyond the limit are told at once."""
    user = UserFactory(email="ada@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    server = start_server(THREADS="8", TRUSTED_PROXIES="1")

    def sign_in(number: int) -> int:
        visitor = Visitor(server).coming_from(f"198.51.100.{number}")
        return visitor.post(LOGIN, login=user.email, password=PASSWORD).status

    assert in_parallel([partial(sign_in, number) for number in range(2)]) == [302, 302]
    answers = in_parallel([partial(sign_in, number) for number in range(40)])
    assert set(answers) == {302, 503}, "no answer says that a password is wrong, and none is an error"
    assert "Traceback" not in server.log_text()
