"""One address is one account, in every spelling: on every page, in every command, on both databases."""

import re
import time
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from accounts.addresses import canonical
from accounts.models import User
from projects.models import Project
from tests.apikeys.keys.test_commands import run, run_json
from tests.support.people.visitor import Visitor
from tests.support.programs.mail_server import MailServer
from tests.support.programs.servers import Server

PASSWORD, OTHER_PASSWORD, NEW_PASSWORD = "a quiet harbour 41", "a loud harbour 42", "another calm river 7"
SIGN_UP, LOGIN, LOGOUT = "/accounts/signup/", "/accounts/login/", "/accounts/logout/"
CONFIRM, ADDRESS, CODE = "/accounts/reauthenticate/", "/accounts/email/", "/accounts/confirm-email/"
RESET, RESET_CODE, RESET_END = (f"/accounts/password/reset/{end}" for end in ("", "confirm/", "complete/"))
QUICK = {"DJANGO_SETTINGS_MODULE": "tests.support.settings.quick_passwords"}
FOUND, OK = HTTPStatus.FOUND, HTTPStatus.OK


class Twins(NamedTuple):
    """The address of an account, other spellings of it, rejected spellings, and different addresses."""

    own: str
    same: tuple[str, ...]
    refused: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


TWINS = {
    "long s and full width": Twins(
        "boss@corp.test",
        ("BOSS@Corp.Test", "boss@\uff43orp.test", "boss@corp.te\u017ft", "boss@co\u00adrp.test"),
        (
            "bo\u017f\u017f@corp.test",
            "bos\u017f@corp.test",
            "\uff42oss@corp.test",
            '"boss"@corp.test',
            "boss@corp.test.",
        ),
    ),
    "Kelvin sign and dotless i": Twins(
        "kim@bank.test",
        ("\u212aim@bank.test", "kim@ban\u212a.test"),
        ("k\u0131m@bank.test", "k\u0130m@bank.test"),
        ("kim@bank.te\u0131.test", "k1m@bank.test"),
    ),
    "domain with a letter of its own": Twins(
        "carol@mail.test", ("carol@MAIL.test",), ("carol@mail.test\u3002",), ("carol@ma\u0131l.test",)
    ),
    "domain in its own script": Twins(
        "ada@m\u00fcller.test",
        ("ada@xn--mller-kva.test", "ADA@XN--MLLER-KVA.TEST", "ada@mu\u0308ller.test", "ada@M\u00dcLLER.test"),
        ("ada@xn--mller-.test", "\u00e4da@m\u00fcller.test"),
        ("ada@muller.test",),
    ),
}


@pytest.fixture(params=list(TWINS.values()), ids=list(TWINS))
def twins(request):
    return request.param


def new_visitor(server):
    """A new browser. Limits are reset, because all requests of these tests come from one address."""
    cache.clear()
    return Visitor(server)


@pytest.fixture(scope="module")
def mails():
    with MailServer().running() as server:
        yield server


@pytest.fixture(scope="module")
def servers(django_db_setup, static_files, mails):
    """Two servers: one sends real emails and confirms addresses by code; the other confirms no addresses."""
    both = (
        Server(EMAIL_URL=mails.url, EMAIL_VERIFICATION="mandatory", **QUICK),
        Server(MAIL_RETRY_SECONDS="0", **QUICK),
    )
    try:
        for server in both:
            server.start()
        yield both
    finally:
        for server in both:
            server.stop()


@pytest.fixture
def visit(transactional_db, servers):
    """A new browser at the server that confirms addresses."""
    return partial(new_visitor, servers[0])


@pytest.fixture
def visit_unconfirmed(transactional_db, servers):
    return partial(new_visitor, servers[1])


def is_in(visitor):
    return visitor.get(ADDRESS).status == OK


def code_for(mails, address):
    """The code in the next email to the address that contains one. Emails are sent through the outbox."""
    codes = []
    deadline = time.monotonic() + 60
    while not codes and time.monotonic() < deadline:
        time.sleep(0.02)
        for number, mail in enumerate(mails.mails[mails.read :], mails.read + 1):
            found = re.search(r"^\s*([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})*)\s*$", mail.get_content(), re.M)
            if mail["To"] == address and found and not codes:
                codes.append(found[1])
                mails.read = number
    return codes[0]


def subjects_to(mails, address, least):
    """The subjects of all emails to the address, as soon as there are this many."""
    deadline = time.monotonic() + 60
    while True:
        subjects = [mail["Subject"] for mail in mails.mails if mail["To"] == address]
        if len(subjects) >= least or time.monotonic() > deadline:
            return subjects
        time.sleep(0.02)


def sign_up(visitor, mails, address):
    assert visitor.post(SIGN_UP, email=address, password1=PASSWORD)[0] == FOUND
    user = User.objects.having(address)
    assert visitor.post(CODE, code=code_for(mails, user.email)).status == FOUND
    assert is_in(visitor)
    return user


def sign_in(visitor, address, password=PASSWORD, at=LOGIN):
    answer = visitor.post(at, login=address, password=password)
    assert answer.status in {OK, FOUND}, (address, answer.status)
    return is_in(visitor)


def error_beside(answer, field):
    found = re.search(rf'<ul class="errors" id="id_{field}_error">\s*<li>(.+?)</li>', answer.body.decode())
    return found and found[1]


def test_no_twin_gets_a_second_account_or_keeps_anyone_out(visit, mails, twins):
    """T43: sign-up, sign-in, admin, re-authentication and reset over HTTP, with emails over SMTP."""
    boss = visit()
    user = sign_up(boss, mails, twins.own)
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)

    for twin in twins.same:  # the page looks the same as for a new address; only the owner gets an email
        before = len(subjects_to(mails, user.email, 0))
        answer = visit().post(SIGN_UP, email=twin, password1=OTHER_PASSWORD)
        assert (answer.status, answer.headers["Location"]) == (FOUND, CODE)
        assert subjects_to(mails, user.email, before + 1)[-1].endswith("You already have an account")
    for twin in twins.refused:
        answer = visit().post(SIGN_UP, email=twin, password1=OTHER_PASSWORD)
        assert answer.status == OK
        assert error_beside(answer, "email")
    for twin in twins.others:
        answer = visit().post(SIGN_UP, email=twin, password1=OTHER_PASSWORD)
        assert (answer.status, answer.headers["Location"]) == (FOUND, CODE)
    assert User.objects.count() == 1 + len(twins.others)

    for typed in (twins.own, *twins.same):
        visitor = visit()
        assert sign_in(visitor, typed, at=f"{LOGIN}?next=/admin/")
        assert visitor.get("/admin/").status == OK
        assert visitor.post(CONFIRM, password=PASSWORD).status == FOUND
    for typed in (*twins.refused, *twins.others):
        assert not sign_in(visit(), typed)
    for number, typed in enumerate((twins.own, *twins.same)):
        visitor, password = visit(), f"{NEW_PASSWORD}{number}"
        assert visitor.post(RESET, email=typed).headers["Location"] == RESET_CODE
        assert visitor.post(RESET_CODE, code=code_for(mails, user.email)).headers["Location"] == RESET_END
        assert visitor.post(RESET_END, password1=password, password2=password).status == FOUND
        assert sign_in(visit(), twins.own, password)
    for typed in (*twins.refused, *twins.others):
        assert visit().post(RESET, email=typed).status in {OK, FOUND}
    # The owner's own reset comes last: it shows that no earlier reset was about this account.
    assert visit().post(RESET, email=twins.own).headers["Location"] == RESET_CODE
    code_for(mails, user.email)
    assert not [
        mail for mail in mails.mails[mails.read :] if mail["To"] == user.email and "reset" in mail["Subject"].lower()
    ]


def test_a_change_of_address_takes_no_twin(visit, mails, twins):
    """T43"""
    user = sign_up(visit(), mails, twins.own)
    other = visit()
    sign_up(other, mails, "other@else.test")
    for twin in (twins.own, *twins.same):
        answer = other.post(ADDRESS, email=twin, action_add="1")
        assert answer.status == FOUND  # as for a free address; only the reader of its email learns more
        answer = other.post(CODE, code=code_for(mails, user.email))
        assert answer.status == OK
        assert "exists" in error_beside(answer, "code")
        cache.clear()
    for twin in twins.refused:
        answer = other.post(ADDRESS, email=twin, action_add="1")
        assert answer.status == OK
        assert error_beside(answer, "email")
    own = visit()
    assert sign_in(own, twins.own)
    for twin in twins.same:
        answer = own.post(ADDRESS, email=twin, action_add="1")
        assert error_beside(answer, "email") == "This is your address already."
    assert sorted(User.objects.values_list("email", flat=True)) == sorted([user.email, "other@else.test"])


def test_where_addresses_are_not_confirmed_a_twin_is_refused_in_words(visit_unconfirmed, twins):
    """T43"""
    visitor = visit_unconfirmed()
    assert visitor.post(SIGN_UP, email=twins.own, password1=PASSWORD).status == FOUND
    for twin in (twins.own, *twins.same):
        answer = visit_unconfirmed().post(SIGN_UP, email=twin, password1=OTHER_PASSWORD)
        assert answer.status == OK
        assert "exists" in error_beside(answer, "email")
    for twin in twins.refused:
        assert error_beside(visit_unconfirmed().post(SIGN_UP, email=twin, password1=OTHER_PASSWORD), "email")
    assert User.objects.count() == 1
    for typed in (twins.own, *twins.same):
        assert sign_in(visit_unconfirmed(), typed)


@pytest.mark.django_db
def test_commands_find_exactly_the_account_that_has_the_address_and_name_it(twins):
    """T43"""
    call_command("createsuperuser", email=twins.own, interactive=False, verbosity=0)
    user = User.objects.get()
    for typed in (twins.own, *twins.same, user.public_id):
        answer = run_json("createproject", "Acme", "--owner", typed)
        assert (answer["owner"], answer["owner_id"]) == (user.email, user.public_id)
        assert f"Its owner is {user.email} ({user.public_id})." in run("createproject", "Acme", "--owner", typed)
        key = run_json("createkey", answer["id"], "--name", "CI", "--by", typed)
        assert (key["created_by"], key["created_by_id"]) == (user.email, user.public_id)
        assert f"{user.email} ({user.public_id})" in run("createkey", answer["id"], "--name", "CI 2", "--by", typed)
    made = Project.objects.count()
    for typed in (*twins.refused, *twins.others):
        with pytest.raises(CommandError, match="No active user"):
            run("createproject", "Acme", "--owner", typed)
    assert Project.objects.count() == made
    for typed in (*twins.same, *twins.refused):
        with pytest.raises(CommandError):
            call_command("createsuperuser", email=typed, interactive=False, verbosity=0)
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_changepassword_names_whom_it_found(twins, monkeypatch):
    """T43"""
    user = User.objects.create_user(twins.own, PASSWORD)
    monkeypatch.setattr("getpass.getpass", lambda prompt: NEW_PASSWORD)
    for typed in (twins.own, *twins.same, user.public_id):
        assert f"Found {user.email} ({user.public_id})." in run("changepassword", typed)
    user.refresh_from_db()
    assert user.check_password(NEW_PASSWORD)
    for typed in (*twins.refused, *twins.others, ""):
        with pytest.raises(CommandError, match="No user"):
            run("changepassword", typed)


@pytest.mark.django_db
def test_the_admin_makes_no_second_account_and_finds_every_spelling(admin, signed_in, twins):
    """T43"""
    client = signed_in(admin)
    fields = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/admin/accounts/user/add/", {"email": twins.own, **fields}).status_code == FOUND
    user = User.objects.having(twins.own)
    assert user.email == canonical(twins.own)
    for twin in (*twins.same, *twins.refused):
        answer = client.post("/admin/accounts/user/add/", {"email": twin, **fields})
        assert answer.status_code == OK
        assert answer.context["adminform"].form.errors["email"]
    assert User.objects.count() == 2
    for typed in (twins.own, *twins.same):
        assert f"{user.pk}/change/" in client.get("/admin/accounts/user/", {"q": typed}).content.decode()
