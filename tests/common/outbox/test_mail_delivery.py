"""Emails are sent in the background. No request waits for the mail server or fails because of it.

The mail servers and the Latchkey in these tests are real.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from apikeys.keys import services
from apikeys.models import ApiKey
from common.outbox.models import Email
from projects.models import Project
from tests.support.calls.api_client import API, bearer
from tests.support.environment import REPOSITORY
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.programs.mail_server import MailServer, silent_mail_server
from tests.support.programs.servers import Server, database_url

pytestmark = pytest.mark.nodb

AT_ONCE, NEVER = "0.1", "3600"


@pytest.fixture
def api_key(api_key: ApiKey) -> ApiKey:
    """The email about the key's creation is deleted; these tests ignore it."""
    Email.objects.all().delete()
    return api_key


def report(server: Server, key: Any) -> int:
    body = json.dumps({"secret": key.secret})
    return server.request("POST", f"{API}/report", body, {"Content-Type": "application/json"}).status


def until(check: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not check() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert check()


def said(server: Server, event: str) -> list[str]:
    return [line for line in server.log_text().splitlines() if f"event='{event}'" in line]


def assert_log_names_nobody(server: Server, key: Any) -> None:
    assert "@example.com" not in server.log_text()
    assert key.secret[3:] not in server.log_text()


# A mail server that works


def test_a_mail_arrives(start_server, api_key):
    """T34: the project's people get the email."""
    with MailServer().running() as mails:
        server = start_server(EMAIL_URL=mails.url, BASE_URL="https://keys.example.com/")
        assert report(server, api_key) == 202
        until(lambda: mails.mails)
    (message,) = mails.mails
    assert message["Subject"] == "[Latchkey] API key reported as leaked: Production server (Acme Weather)"
    assert message["To"] == "owner@example.com"
    link = f"https://keys.example.com/projects/{api_key.project.public_id}/settings/#api-keys"
    text = message.get_content()
    assert link in text
    assert api_key.secret[3:] not in str(message)


def test_a_commands_mail_leaves_before_the_command_ends(transactional_db, api_key):
    with MailServer(pause=1).running() as mails:
        run_command("deletekey", api_key.public_id, EMAIL_URL=mails.url)
    assert [message["Subject"].startswith("[Latchkey] API key deleted:") for message in mails.mails] == [True]


def run_command(*words: str, **environment: str) -> None:
    command = [sys.executable, "manage.py", *words]
    environment = {**os.environ, "DATABASE_URL": database_url(), "MAIL_RETRY_SECONDS": NEVER, **environment}
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, timeout=110)


# A mail server that is silent


def test_no_request_waits_for_a_mail_server_that_is_silent(start_server, api_key, owner, signed_in):
    """The mail server makes its clients wait longer than the test waits for answers."""
    project = api_key.project
    with silent_mail_server() as url:
        server = start_server(EMAIL_URL=f"{url}?timeout=120", MAIL_RETRY_SECONDS=NEVER)
        assert report(server, api_key) == 202
        assert server.request("GET", f"{API}/verify", headers=bearer(api_key.secret)).status == 401
        for number in range(3):
            assert create_on_the_page(server, signed_in(owner), project, f"Key {number}") == 302
        assert project.api_keys.count() == 4
        process = server.process
        server.stop()
        assert process.returncode == 0
        assert set(Email.objects.values_list("state", flat=True)) == {"waiting"}, "the next start sends them"


def create_on_the_page(server: Server, client: Any, project: Project, name: str) -> int:
    path = reverse("apikeys:create", args=[project.public_id])
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    page = server.request("GET", path, headers={"Cookie": cookie})
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.body.decode())
    assert token
    csrf = str(page.headers["Set-Cookie"]).partition(";")[0]
    headers = {"Cookie": f"{cookie}; {csrf}", "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"csrfmiddlewaretoken": token[1], "name": name})
    return server.request("POST", path, body, headers).status


def test_a_command_does_not_wait_for_a_mail_server_that_is_silent(transactional_db, api_key):
    with silent_mail_server() as url:
        run_command("deletekey", api_key.public_id, EMAIL_URL=f"{url}?timeout=120")
    assert ApiKey.objects.get().is_deleted
    assert Email.objects.get().state == "waiting", "a server sends it later"


# A mail server that rejects emails


def test_a_mail_server_that_is_away_for_a_while_loses_nothing(start_server, api_key):
    mails = MailServer()
    server = start_server(EMAIL_URL=mails.url, MAIL_RETRY_SECONDS="2")
    assert report(server, api_key) == 202
    until(lambda: said(server, "mail_not_sent"))
    with mails.running():
        until(lambda: mails.mails)
    assert "ConnectionRefusedError" in said(server, "mail_not_sent")[0]
    assert_log_names_nobody(server, api_key)


def test_a_mail_that_is_put_off_is_sent_at_the_third_try(start_server, api_key):
    with MailServer(replies=("451 try again", "421 too busy")).running() as mails:
        server = start_server(EMAIL_URL=mails.url, MAIL_RETRY_SECONDS=AT_ONCE)
        report(server, api_key)
        until(lambda: mails.mails)
    assert (len(mails.asked), len(mails.mails), len(said(server, "mail_not_sent"))) == (3, 1, 2)
    assert_log_names_nobody(server, api_key)


def test_a_mail_that_is_refused_for_good_is_not_tried_again(start_server, api_key):
    with MailServer(replies=("550 <owner@example.com>: no such person",) * 9).running() as mails:
        server = start_server(EMAIL_URL=mails.url, MAIL_RETRY_SECONDS=AT_ONCE)
        report(server, api_key)
        until(lambda: said(server, "mail_lost"))
        server.stop()  # stopping sends the waiting emails
    assert mails.asked == ["owner@example.com"]
    assert "codes=[550]" in said(server, "mail_lost")[0]
    assert_log_names_nobody(server, api_key)


def test_a_mail_that_waits_holds_no_other_up(start_server, api_key):
    MembershipFactory(project=api_key.project, user=UserFactory(email="second@example.com"))
    other = services.create_key(project=api_key.project, name="Another", by=api_key.created_by)
    other.key.secret = other.secret
    Email.objects.all().delete()
    with MailServer(replies=("451 try again",)).running() as mails:
        server = start_server(EMAIL_URL=mails.url, MAIL_RETRY_SECONDS=NEVER)
        report(server, api_key)
        until(lambda: mails.mails)
        [first] = mails.recipients
        put_off = mails.asked[0]
        assert {first, put_off} == {"owner@example.com", "second@example.com"}
        report(server, other.key)
        until(lambda: len(mails.mails) == 3)
        assert set(mails.recipients[1:]) == {first, put_off}
        assert ["Another" in message["Subject"] for message in mails.mails] == [False, True, True]


# The server stops


def test_a_sigterm_lets_the_mail_at_hand_and_those_that_wait_leave(start_server, api_key):
    MembershipFactory(project=api_key.project, user=UserFactory(email="second@example.com"))
    MembershipFactory(project=api_key.project, user=UserFactory(email="third@example.com"))
    with MailServer(replies=("451 try again",), pause=0.3).running() as mails:
        server = start_server(EMAIL_URL=mails.url, MAIL_RETRY_SECONDS=NEVER)
        assert report(server, api_key) == 202
        until(lambda: said(server, "mail_not_sent"))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        delivered = sorted(mails.recipients)
    assert len(delivered) == 2, delivered
    # The deferred email waits for its next try, by another server.
    assert sorted(Email.objects.values_list("state", flat=True)) == ["sent", "sent", "waiting"]
    assert Email.objects.filter(state="sent", ciphertext=None).count() == 2


def test_the_next_start_sends_the_unsent_emails_of_a_killed_server(start_server, api_key):
    """T34: the project's people get the emails, even if the server is killed before it sends them or while the mail
    server holds one.
    """
    with silent_mail_server() as url:
        server = start_server(EMAIL_URL=f"{url}?timeout=1", MAIL_RETRY_SECONDS=NEVER)
        assert report(server, api_key) == 202
        until(lambda: Email.objects.filter(due_at__gt=timezone.now()).exists())  # a thread has claimed it
        # No thread has claimed this email when the server dies.
        services.create_key(project=api_key.project, name="Written, not sent", by=api_key.created_by)
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(60)
    assert set(Email.objects.values_list("state", flat=True)) == {"waiting"}
    Email.objects.update(due_at=timezone.now())  # as if its claims had expired
    with MailServer().running() as mails:
        start_server(EMAIL_URL=f"{mails.url}?timeout=1", MAIL_RETRY_SECONDS=NEVER)
        until(lambda: len(mails.mails) == 2)
    subjects = sorted(str(message["Subject"]) for message in mails.mails)
    assert ["created: Written" in subjects[0], "reported as leaked" in subjects[1]] == [True, True]
