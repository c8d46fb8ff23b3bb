"""A page tells the truth after a failure: it says "nothing was done" only if nothing was done."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.urls import reverse

from common.outbox import senders
from common.outbox.models import Email
from projects.models import File
from tests.support.calls.api_client import upload as upload_file
from tests.support.factories import PASSWORD
from tests.support.people.accounts import CODE, is_signed_in, mailed_code
from tests.support.programs.mail_server import MailServer, silent_mail_server
from tests.support.programs.postgres import free_port
from tests.support.stored.tables import everything

pytestmark = pytest.mark.django_db

MAY_HAVE_WORKED = "may have been saved"
MOST_STATEMENTS = 200


class Away:
    """The database answers `answers` statements, and then no more."""

    def __init__(self, answers: int) -> None:
        self.answers = answers

    def __call__(self, execute, sql, params, many, context):
        if self.answers == 0:
            raise OperationalError("the database went away")
        self.answers -= 1
        return execute(sql, params, many, context)


def failures_of(act) -> list[tuple[bool, str]]:
    """For each statement that may be the last one answered: whether something was changed, and the text of the page."""
    found: list[tuple[bool, str]] = []
    before = everything()
    for answers in range(MOST_STATEMENTS):
        point = transaction.savepoint()
        with connection.execute_wrapper(Away(answers)):
            response = act()
        # The request's transaction is part of the test's transaction. The statements that remain may have been
        # committed.
        transaction.set_rollback(False)
        if response.status_code < 400:
            return found
        assert response.status_code == 503, response.content
        found.append((everything() != before, response.content.decode()))
        transaction.savepoint_rollback(point)
    raise AssertionError("the action never ends")


def assert_true(failures: list[tuple[bool, str]]) -> None:
    assert failures
    for was_changed, page in failures:
        assert "Nothing was" not in page or not was_changed
        assert MAY_HAVE_WORKED in page


def test_after_a_sign_up_that_failed_midway_the_page_does_not_deny_it(confirmed_by_code):
    """T55: a page tells the truth after a failure. Here the database fails at each step of a sign-up."""
    client = Client(raise_request_exception=False)
    fields = {"email": "grace@example.com", "password1": PASSWORD}
    failures = failures_of(lambda: client.post(reverse("account_signup"), fields))
    assert_true(failures)
    assert any(was_changed for was_changed, _ in failures), "in one case the account was made before the failure"


def test_after_an_action_that_failed_midway_the_page_does_not_deny_it(project, owner, api_key, signed_in):
    """T55: the database fails at each step."""
    client = signed_in(owner, raise_request_exception=False)
    key = [project.public_id, api_key.public_id]
    for path, fields in (
        (reverse("projects:create"), {"name": "Another"}),
        (reverse("apikeys:create", args=[project.public_id]), {"name": "Another"}),
        (reverse("apikeys:pause", args=key), {}),
    ):
        assert_true(failures_of(lambda path=path, fields=fields: client.post(path, fields)))


def test_a_page_that_was_only_looked_at_says_nothing_of_effects(owner, signed_in):
    client = signed_in(owner, raise_request_exception=False)
    for _, page in failures_of(lambda: client.get("/accounts/email/")):
        assert MAY_HAVE_WORKED not in page


@pytest.mark.parametrize("method", ["post", "get"])
def test_something_that_broke_says_what_may_have_worked(method, client, settings):
    client.raise_request_exception = False
    settings.ACCOUNT_ADAPTER = "no.such.adapter"
    response = getattr(client, method)(reverse("account_login"), {"login": "ada@example.com", "password": PASSWORD})
    assert response.status_code == 500
    assert (MAY_HAVE_WORKED in response.content.decode()) is (method == "post")


def test_a_file_that_could_not_be_stored_is_not_there(client, api_key, settings, tmp_path):
    """T55: the file store fails, because its folder is a file."""
    settings.MEDIA_ROOT = tmp_path / "files"
    settings.MEDIA_ROOT.write_text("")
    client.raise_request_exception = False
    response = upload_file(client, api_key.secret)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "unavailable"
    assert not File.objects.exists()


@contextmanager
def mail_server_away() -> Iterator[int]:
    yield free_port()


@contextmanager
def mail_server_that_refuses() -> Iterator[int]:
    with MailServer(replies=("550 no such person",) * 9).running() as server:
        yield server.port


@contextmanager
def mail_server_that_hangs() -> Iterator[int]:
    with silent_mail_server() as url:
        yield int(url.rpartition(":")[2])


@contextmanager
def mail_server_that_dies() -> Iterator[int]:
    """Ends each connection as soon as it is open."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


MAIL_SERVERS = [mail_server_away, mail_server_that_refuses, mail_server_that_hangs, mail_server_that_dies]


@pytest.mark.parametrize("mail_server", MAIL_SERVERS)
def test_whatever_the_mail_server_does_no_page_says_that_an_email_arrived(
    mail_server, confirmed_by_code, owner, api_key, signed_in, settings, caplog, django_capture_on_commit_callbacks
):
    """T55: the mail server fails. The page only promises an email and offers another one, and its own change stays."""
    Email.objects.all().delete()  # the email about the new key
    client, sent_by = Client(), settings.MAIL_SENT_BY
    settings.EMAIL_BACKEND = "common.outbox.enqueueing.EmailBackend"  # pytest-django replaces the backend
    settings.MAIL_SENT_BY = "common.outbox.smtp_backend.EmailBackend"
    settings.EMAIL_TIMEOUT = 0.1
    with mail_server() as settings.EMAIL_PORT:
        client.post(reverse("account_signup"), {"email": "grace@example.com", "password1": PASSWORD})
        pages = [
            client.get(CODE),
            Client().post(reverse("account_reset_password"), {"email": owner.email}, follow=True),
        ]
        key = [api_key.project.public_id, api_key.public_id]
        with django_capture_on_commit_callbacks(execute=True):
            deleted = signed_in(owner).post(reverse("apikeys:delete", args=key), {"name": api_key.name})
        senders.send_due()
        pages.append(client.get(CODE))
    assert caplog.text.count("mail_lost") == 3
    for page in pages:
        text = page.content.decode()
        assert "Check the inbox of <strong>" in text
        assert "Didn't get it? Check your spam folder or" in text
        assert " sent " not in text
    assert deleted.status_code < 400
    api_key.refresh_from_db()
    assert api_key.is_deleted
    # "Send another email" is true once the mail server works again.
    settings.MAIL_SENT_BY = sent_by
    cache.clear()
    client.post(CODE, {"action": "resend"})
    senders.send_due()
    client.post(CODE, {"code": mailed_code()})
    assert is_signed_in(client)
