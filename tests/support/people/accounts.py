"""An account with a password and a confirmed address, and answers of the account pages."""

import re
import time

from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth import get_user
from django.core import mail
from django.http import HttpRequest
from django.urls import reverse

from tests.support.factories import UserFactory

PASSWORD = "a quiet harbour 41"
NEW_PASSWORD = "another calm river 7"
SIGN_UP, LOGIN, CODE = reverse("account_signup"), reverse("account_login"), reverse("account_email_verification_sent")


def new_person():
    """An account with a password and a confirmed address."""
    user = UserFactory(email="ada@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def log_in(client, user, password=PASSWORD, **more):
    return client.post(LOGIN, {"login": user.email, "password": password, **more})


def page_of(response):
    return response.content.decode()


def mailed_code():
    return re.search(r"^\s*([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})*)\s*$", mail.outbox[-1].body, re.M)[1]


def assert_true_without_a_code(page):
    """The page does not promise a code. The email may contain none, and the page must not reveal that."""
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "for our email. If it has a code, enter the code here within 15 minutes." in words
    for promise in (
        r"code (is|was|has been) (on|sent)",
        r"(a|the|new) code is on",
        r"send (a|the) (new )?code",
        "We sent",
    ):
        assert not re.search(promise, words, re.I), promise


def totp_code(secret, steps=0):
    """The code that an app shows now, or `steps` periods of 30 seconds later. It is valid for half a minute or more."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def is_signed_in(client):
    """As the next request finds it: Django ends a session once its account has another password."""
    request = HttpRequest()
    request.session = client.session
    return get_user(request).is_authenticated
