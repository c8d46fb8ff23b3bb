"""Emails of accounts (codes, resets, notices) go through the outbox. Pages answer whatever the mail server does.

The mail servers and the Latchkey in these tests are real.
"""

import re

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse

from accounts.models import User
from tests.common.outbox.test_mail_delivery import run_command, said, until
from tests.support.environment import REPOSITORY
from tests.support.factories import PASSWORD, UserFactory
from tests.support.people.visitor import Visitor
from tests.support.programs.mail_server import MailServer, new_certificate, silent_mail_server
from tests.support.programs.servers import Server

pytestmark = pytest.mark.nodb

SIGN_UP, RESET = reverse("account_signup"), reverse("account_reset_password")
LOGIN, ADDRESS = reverse("account_login"), reverse("account_email")


@pytest.fixture
def ada(transactional_db: None) -> User:
    user: User = UserFactory(email="ada@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def sign_up_reset_and_change_address(server: Server) -> None:
    """Each of these pages writes an email. No page may wait for the email or fail because of it.

    The same holds for the first sign-in of a superuser who was made by a command and has to confirm an address.
    """
    User.objects.create_superuser(email="root@example.com", password=PASSWORD)
    first = Visitor(server).post(LOGIN, login="root@example.com", password=PASSWORD)
    assert (first.status, first.headers["Location"]) == (302, reverse("account_email_verification_sent"))
    visitor = Visitor(server)
    assert visitor.post(SIGN_UP, email="grace@example.com", password1=PASSWORD).status == 302
    page = " ".join(visitor.get(reverse("account_email_verification_sent")).body.decode().split())
    assert (
        "Check the inbox of <strong>grace@example.com</strong> for our email. If it has a code, enter the code here"
        in page
    )
    assert "Check your spam folder or send another email" in page
    assert Visitor(server).post(RESET, email="ada@example.com").status == 302
    inside = Visitor(server)
    assert inside.post(LOGIN, login="ada@example.com", password=PASSWORD).status == 302
    assert inside.post(ADDRESS, email="countess@example.com", action_add="1").status == 302


def test_no_page_waits_for_a_mail_server_that_is_silent(start_server, ada):
    """The mail server makes its clients wait longer than the test waits for answers."""
    with silent_mail_server() as url:
        server = start_server(EMAIL_URL=f"{url}?timeout=120", EMAIL_VERIFICATION="mandatory")
        sign_up_reset_and_change_address(server)


def test_emails_of_accounts_leave_once_the_mail_server_is_back(start_server, ada):
    mails = MailServer()
    server = start_server(EMAIL_URL=mails.url, MAIL_RETRY_SECONDS="2", EMAIL_VERIFICATION="mandatory")
    sign_up_reset_and_change_address(server)
    # On a busy machine the first email is retried before the third one is written.
    until(lambda: sum("tries=1" in line for line in said(server, "mail_not_sent")) == 4)
    with mails.running():
        until(lambda: len(mails.mails) == 4)
    people = ["ada", "countess", "grace", "root"]
    assert sorted(mails.recipients) == [f"{name}@example.com" for name in people]
    assert_log_tells_no_secret(server, mails)


def test_no_page_fails_with_a_mail_server_that_refuses(start_server, ada):
    with MailServer(replies=("550 no such person",) * 9).running() as mails:
        server = start_server(EMAIL_URL=mails.url, EMAIL_VERIFICATION="mandatory")
        sign_up_reset_and_change_address(server)
        until(lambda: len(said(server, "mail_lost")) == 4)
    assert_log_tells_no_secret(server, mails)


def assert_log_tells_no_secret(server: Server, mails: MailServer) -> None:
    log = server.log_text()
    assert "@example.com" not in log
    for message in mails.mails:
        codes = re.findall(r"^([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})+)$", message.get_content(), re.M)
        assert not any(code in log for code in codes)


def test_smtps_speaks_tls_from_the_start(transactional_db, tmp_path):
    """A server that speaks TLS from the start would never answer STARTTLS."""
    certificate = new_certificate(tmp_path)
    with MailServer(certificate=certificate).running() as mails:
        url = mails.url.replace("smtp://", "smtps://")
        run_command("sendtestemail", "ada@example.com", EMAIL_URL=url, SSL_CERT_FILE=str(certificate))
    assert mails.recipients == ["ada@example.com"]


def test_a_commands_account_email_leaves_before_the_command_ends(transactional_db):
    with MailServer(pause=1).running() as mails:
        run_command("sendtestemail", "ada@example.com", EMAIL_URL=mails.url)
    assert mails.recipients == ["ada@example.com"]


def test_without_a_mail_server_emails_stand_beside_the_log(start_server, ada):
    server = start_server()
    assert Visitor(server).post(RESET, email="ada@example.com").status == 302
    until(lambda: "To: ada@example.com" in server.log_text())


def test_nothing_of_ours_sends_an_email_past_the_outbox():
    """EMAIL_BACKEND is the outbox. Only the sending threads know the backend that EMAIL_URL names."""
    found = [
        path.name
        for package in ("accounts", "apikeys", "common", "config", "projects")
        for path in (REPOSITORY / package).rglob("*.py")
        if "MAIL_SENT_BY" in path.read_text()
    ]
    assert sorted(found) == ["delivery.py", "settings.py"]
