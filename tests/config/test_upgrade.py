"""An upgrade without downtime: servers of an earlier release and of this one, on one database."""

import html
import os
import re
import subprocess
import sys
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.urls import reverse

from accounts.sessions.store import digest_of
from tests.product.at_rest.test_stolen_database import Known, read_by_thief, whole_database
from tests.support.environment import ON_SQLITE, REPOSITORY, SQLITE_FILE
from tests.support.people import thief
from tests.support.people.accounts import NEW_PASSWORD, PASSWORD, new_person, totp_code
from tests.support.people.visitor import Visitor
from tests.support.programs.servers import SECONDS_TO_START, Server, database_url

pytestmark = pytest.mark.django_db(transaction=True)

AUTHENTICATE, CODES = reverse("mfa_authenticate"), reverse("mfa_view_recovery_codes")


@pytest.fixture
def earlier(start_server) -> Server:
    return start_server(DJANGO_SETTINGS_MODULE="tests.support.settings.earlier_release")


@pytest.fixture
def today(start_server) -> Server:
    return start_server()


def at(server: Server, visitor: Visitor) -> Visitor:
    """The same browser, sent to another server by the proxy."""
    return Visitor(server, **visitor.cookies)


def rotate() -> str:
    command = [sys.executable, "manage.py", "rotate_encryption"]
    environment = {**os.environ, "DATABASE_URL": database_url()}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True).stdout


def set_app_up(visitor: Visitor) -> tuple[str, list[str]]:
    page = visitor.get(reverse("mfa_activate_totp")).body.decode()
    [seed] = re.findall(r'id="totp-secret">([A-Z2-7]+)<', page)
    assert visitor.post(reverse("mfa_activate_totp"), code=totp_code(seed)).status == 302
    return seed, re.findall(r"\b\d{8}\b", html.unescape(visitor.get(CODES).body.decode()))


def sign_in_with(server: Server, email: str, code: str) -> Visitor:
    visitor = Visitor(server).sign_in(email, PASSWORD)
    visitor.post(AUTHENTICATE, code=code)
    return visitor


def test_people_stay_signed_in_and_second_factors_work_through_an_upgrade(earlier, today, tmp_path):
    """T45: both servers run at once; rotate_encryption is the last step, and then a thief reads nothing."""
    ada = new_person()
    before = Visitor(earlier).sign_in(ada.email, PASSWORD)
    seed, codes = set_app_up(before)
    # What the earlier release wrote is read by both, and stays as it is.
    assert at(today, before).sees("account_email")
    assert at(today, before).sees("usersessions_list")
    assert before.sees("account_email")
    assert sign_in_with(today, ada.email, codes[0]).sees("account_email")
    assert sign_in_with(earlier, ada.email, codes[1]).sees("account_email")
    known = Known(sessions=[before.session_id], totp_seeds=[seed], recovery_codes=codes)
    read = read_by_thief(whole_database(tmp_path), today, known)
    assert min(read["sessions"], read["TOTP codes"], read["recovery codes"]) > 0, "the thief finds what is there"

    said = rotate()
    assert "Moved 2 second factors to ring key k1." in said
    assert "sessions of an earlier release." in said
    assert at(today, before).sees("account_email")
    assert sign_in_with(today, ada.email, codes[2]).sees("account_email")
    assert set(read_by_thief(whole_database(tmp_path), today, known).values()) == {0}
    if ON_SQLITE:
        files = b"".join(path.read_bytes() for path in SQLITE_FILE.parent.glob(f"{SQLITE_FILE.name}*"))
        assert not thief.stands_in(before.session_id, files.decode("latin-1")), "nor in a free page or the journal"
        assert not thief.stands_in(seed, files.decode("latin-1"))


@pytest.mark.nodb
def test_a_server_of_the_earlier_release_lets_nobody_in_by_what_this_one_wrote(earlier, today):
    """T45: what it cannot read it takes for nobody, and for a wrong code at worst."""
    ada = new_person()
    after = Visitor(today).sign_in(ada.email, PASSWORD)
    _, codes = set_app_up(after)
    assert not at(earlier, after).sees("account_email")
    assert not Visitor(earlier, sessionid=digest_of(after.session_id)).sees("account_email")
    assert not Visitor(today, sessionid=digest_of(after.session_id)).sees("account_email")
    halfway = Visitor(earlier).sign_in(ada.email, PASSWORD)
    assert halfway.post(AUTHENTICATE, code=codes[0]).status == 500
    assert not halfway.sees("account_email")
    assert after.sees("account_email"), "the session and the factor still work here"
    assert sign_in_with(today, ada.email, codes[0]).sees("account_email")


@pytest.mark.nodb
def test_a_session_of_the_earlier_release_ends_where_either_server_ends_it(earlier, today):
    ada = new_person()
    first, second = (Visitor(earlier).sign_in(ada.email, PASSWORD) for _ in range(2))
    at(today, first).post(reverse("usersessions_list"))
    assert not second.sees("account_email")
    assert first.sees("account_email")
    at(today, first).post(reverse("account_logout"))
    assert not first.sees("account_email")
    assert not Session.objects.exclude(pk__startswith="sha256.").exists()


@pytest.mark.nodb
def test_a_session_that_the_earlier_release_takes_off_the_list_ends_with_a_new_password(earlier, today):
    ada = new_person()
    after = Visitor(today).sign_in(ada.email, PASSWORD)
    before = Visitor(earlier).sign_in(ada.email, PASSWORD)
    assert set(UserSession.objects.values_list("session_key", flat=True)) == {before.session_id}
    assert after.sees("account_email")
    fields = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert before.post(reverse("account_change_password"), **fields).status == 302
    assert not after.sees("account_email")


@pytest.mark.nodb
def test_a_server_says_at_its_start_what_is_not_sealed(earlier, start_server):
    ada = new_person()
    set_app_up(Visitor(earlier).sign_in(ada.email, PASSWORD))
    assert Authenticator.objects.count() == 2
    assert UserSession.objects.count() == 1
    server = start_server()
    deadline = time.monotonic() + SECONDS_TO_START
    while "rows_not_sealed" not in server.log_text():
        assert time.monotonic() < deadline, server.log_text()
        time.sleep(0.05)
    assert "manage.py rotate_encryption" in server.log_text()
