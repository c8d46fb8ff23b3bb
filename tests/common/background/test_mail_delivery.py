"""Mails leave in the background: whatever the mail server does, no request waits for it and none is broken by it.

Each mail server here is a real one, and so is the Latchkey that talks to it.
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
from django.core import mail
from django.core.mail import EmailMessage
from django.urls import reverse

from apikeys.keys import services
from apikeys.models import ApiKey
from common.background import mail_delivery
from projects.models import Project
from tests.support.calls.api_client import API, bearer
from tests.support.environment import REPOSITORY
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.programs.mail_server import MailServer, silent_mail_server
from tests.support.programs.servers import Server, database_url

pytestmark = pytest.mark.nodb

AT_ONCE, NEVER = "0.1", "3600"


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


# A server that works


def test_a_mail_arrives(start_server, api_key):
    """T34: its people are told."""
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


# A server that is silent


def test_no_request_waits_for_a_mail_server_that_is_silent(start_server, api_key, owner, signed_in):
    """The mail server keeps its clients waiting for longer than the test waits for its answers."""
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
        assert said(server, "mails_lost"), "an end that waits no longer says what it loses"


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


# A server that refuses


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


def test_a_mail_that_is_put_off_three_times_is_given_up(start_server, api_key):
    with MailServer(replies=("451 try again",) * 9).running() as mails:
        server = start_server(EMAIL_URL=mails.url, MAIL_RETRY_SECONDS=AT_ONCE)
        report(server, api_key)
        until(lambda: said(server, "mail_lost"))
        server.stop()  # which sends what waits
    assert len(mails.asked) == 3
    assert "codes=[451]" in said(server, "mail_lost")[0]
    assert_log_names_nobody(server, api_key)


def test_a_mail_that_is_refused_for_good_is_not_tried_again(start_server, api_key):
    with MailServer(replies=("550 <owner@example.com>: no such person",) * 9).running() as mails:
        server = start_server(EMAIL_URL=mails.url, MAIL_RETRY_SECONDS=AT_ONCE)
        report(server, api_key)
        until(lambda: said(server, "mail_lost"))
        server.stop()  # which sends what waits
    assert mails.asked == ["owner@example.com"]
    assert "codes=[550]" in said(server, "mail_lost")[0]
    assert_log_names_nobody(server, api_key)


def test_a_mail_that_waits_holds_no_other_up(start_server, api_key):
    MembershipFactory(project=api_key.project, user=UserFactory(email="second@example.com"))
    with MailServer(replies=("451 try again",)).running() as mails:
        server = start_server(EMAIL_URL=mails.url, MAIL_RETRY_SECONDS=NEVER)
        report(server, api_key)
        until(lambda: mails.mails)
        [first] = mails.recipients
        put_off = mails.asked[0]
        assert {first, put_off} == {"owner@example.com", "second@example.com"}
        other = services.create_key(project=api_key.project, name="Another", by=api_key.created_by)
        other.key.secret = other.secret
        report(server, other.key)
        until(lambda: len(mails.mails) == 3)
        assert set(mails.recipients[1:]) == {first, put_off}
        assert ["Another" in message["Subject"] for message in mails.mails] == [False, True, True]


# The end


def test_a_sigterm_lets_the_mail_at_hand_and_those_that_wait_leave(start_server, api_key):
    MembershipFactory(project=api_key.project, user=UserFactory(email="second@example.com"))
    MembershipFactory(project=api_key.project, user=UserFactory(email="third@example.com"))
    with MailServer(replies=("451 try again",), pause=0.3).running() as mails:
        server = start_server(EMAIL_URL=mails.url, MAIL_RETRY_SECONDS=NEVER)
        assert report(server, api_key) == 202
        until(lambda: said(server, "mail_not_sent"))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        assert sorted(mails.recipients) == ["owner@example.com", "second@example.com", "third@example.com"]
    assert not said(server, "mails_lost")


# In memory


def a_mail(number: int = 0) -> EmailMessage:
    return EmailMessage(f"Subject {number}", "Text", to=[f"person{number}@example.com"])


def test_memory_is_bounded_and_what_is_dropped_is_said(monkeypatch, caplog):
    monkeypatch.setattr(mail_delivery, "MOST_WAITING", 2)
    mail_delivery.enqueue([a_mail(number) for number in range(4)], about="prj_x")
    mail_delivery.enqueue([a_mail(9)], about="prj_x")
    assert "'mails': 2" in caplog.text
    assert "'mails': 1" in caplog.text
    mail_delivery.send_waiting()
    assert [message.subject for message in mail.outbox] == ["Subject 0", "Subject 1"]


def test_one_person_cannot_crowd_out_the_others(monkeypatch, caplog):
    """Whose keys are made and deleted without end, while the mail server is slow."""
    monkeypatch.setattr(mail_delivery, "MOST_TO_ONE", 2)
    for _ in range(4):
        mail_delivery.enqueue([a_mail(1)], about="prj_x")
    mail_delivery.enqueue([a_mail(1), a_mail(2)], about="prj_y")
    assert caplog.text.count("mails_dropped") == 3
    mail_delivery.send_waiting()
    assert sorted(message.subject for message in mail.outbox) == ["Subject 1", "Subject 1", "Subject 2"]


def test_a_mail_that_is_wrong_is_given_up_and_the_next_one_sent(caplog):
    wrong = a_mail()
    wrong.subject = "one\ntwo"
    mail_delivery.enqueue([wrong, a_mail(1)], about="prj_x")
    mail_delivery.send_waiting()
    assert [message.subject for message in mail.outbox] == ["Subject 1"]
    assert "mail_lost" in caplog.text
    assert "BadHeaderError" in caplog.text


def test_a_forked_process_sends_nothing_of_its_parents():
    mail_delivery.enqueue([a_mail()], about="prj_x")
    child = os.fork()
    if child == 0:
        os._exit(0 if not mail_delivery.waiting() and not mail_delivery._owners.senders else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(mail_delivery.waiting()) == 1


@pytest.mark.django_db
def test_the_request_itself_sends_nothing(api_key, owner, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        services.delete_key(key=api_key, by=owner)
    assert (len(mail_delivery.waiting()), len(mail.outbox)) == (1, 0)
