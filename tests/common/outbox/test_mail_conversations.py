"""What becomes of an email after each reply that a mail server can give. The mail servers are real."""

from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.utils import timezone

from common.outbox import claims, senders, smtp_backend
from common.outbox.enqueueing import enqueue
from common.outbox.models import Email
from tests.support.programs.mail_server import SECONDS_A_BYTE, scripted_mail_server

pytestmark = pytest.mark.django_db

TLS, SIGN_IN = "250-mail\n250 STARTTLS", "250-mail\n250 AUTH PLAIN"
ABOUT_THE_SERVER: dict[str, dict[str, str]] = {
    "SMTPConnectError 554": {"greeting": "554 not today"},
    "SMTPHeloError 550": {"EHLO": "550 who are you", "HELO": "550 who are you"},
    "SMTPResponseException 502": {"EHLO": TLS, "STARTTLS": "502 not now"},
    "SMTPAuthenticationError 535": {"EHLO": SIGN_IN, "AUTH": "535 wrong password"},
    "SMTPSenderRefused 550": {"MAIL": "550 unknown sender"},
    "SMTPSenderRefused 530": {"MAIL": "530 sign in first"},
    "SMTPRecipientsRefused 530": {"RCPT": "530 sign in first"},
    "SMTPDataError 530": {"DATA": "530 sign in first"},
    # No reply at all, and no replies that SMTP knows.
    "SMTPNotSupportedError": {"STARTTLS": "is not offered"},
    "SMTPResponseException 500": {"MAIL": "250 " + "x" * 9000},
    "SMTPDataError -1": {"text": "hello"},
}
ABOUT_THE_EMAIL: dict[str, dict[str, str]] = {
    "SMTPRecipientsRefused 550": {"RCPT": "550 no such person"},
    "SMTPDataError 554": {"DATA": "554 no valid recipients"},
    "SMTPDataError 552": {"text": "552 too large"},
}


@pytest.fixture
def smtp(settings: Any) -> Any:
    settings.MAIL_SENT_BY = "common.outbox.smtp_backend.EmailBackend"
    settings.EMAIL_HOST, settings.MAIL_RETRY_SECONDS = "127.0.0.1", 10.0
    return settings


def after_one_try(settings: Any, replies: dict[str, str], slow: str = "") -> Email:
    settings.EMAIL_USE_TLS = "STARTTLS" in replies
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = "latchkey" if "AUTH" in replies else ""
    enqueue([EmailMessage("Subject", "Text", to=["ada@example.com"])], about="prj_x")
    with scripted_mail_server(replies, slow) as settings.EMAIL_PORT:
        senders.send_due(timezone.now())
    return Email.objects.get()


@pytest.mark.parametrize("error", ABOUT_THE_SERVER)
def test_a_refusal_that_is_about_the_server_is_an_outage(error, smtp):
    email = after_one_try(smtp, ABOUT_THE_SERVER[error])
    assert (email.state, email.tries, email.last_error) == ("waiting", 1, error)


@pytest.mark.parametrize("error", ABOUT_THE_EMAIL)
def test_a_refusal_of_the_recipient_or_the_text_is_final(error, smtp):
    email = after_one_try(smtp, ABOUT_THE_EMAIL[error])
    assert (email.state, email.tries, email.last_error) == ("failed", 1, error)


def test_a_refusal_for_now_is_not_final(smtp):
    for replies in ({"RCPT": "451 later"}, {"DATA": "451 later"}, {"text": "452 later"}):
        assert after_one_try(smtp, replies).state == "waiting"
        Email.objects.all().delete()


@pytest.mark.parametrize("reply", ["500 what", "x" * 9000])
def test_an_accepted_email_is_sent_whatever_the_reply_to_quit_is(reply, smtp):
    assert after_one_try(smtp, {"QUIT": reply}).state == "sent"


def test_a_try_ends_before_its_claim_even_if_the_server_keeps_the_conversation_alive(smtp):
    """People get an email once, although its server ends each single wait in time and would accept it at last."""
    smtp.EMAIL_TIMEOUT = 0.3
    limit = smtp_backend.WAITS_A_CONVERSATION * smtp.EMAIL_TIMEOUT
    reply = "250 " + "x" * int(2 * limit / SECONDS_A_BYTE)
    email = after_one_try(smtp, {"text": reply}, slow="text")
    assert (email.state, email.last_error) == ("waiting", "SMTPServerDisconnected")
    assert limit < claims.claim_length().total_seconds()
