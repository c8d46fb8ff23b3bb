"""Sessions right after a sign-in, and some hours later."""

import time
from typing import Any

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY, record_authentication
from django.conf import settings
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.test import Client

from accounts.models import User
from accounts.sessions.store import data_of, seal


def log_in(client: Client, user: User) -> None:
    """Signs in with the client, and writes to its session the same data as allauth after a correct password."""
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    request = HttpRequest()
    request.session = client.session
    record_authentication(request, user, method="password", email=user.email)
    request.session.save()


def age(client: Client) -> None:
    """Moves all sign-ins and confirmations of the session back, to just before the limit."""
    session = client.session
    _age(session)
    session.save()


def age_all() -> None:
    """Does the same for every session, including those of browsers."""
    for row in Session.objects.all():
        data = data_of(row)
        _age(data)
        Session.objects.filter(pk=row.pk).update(session_data=seal(data, row.session_key))


def _age(session: Any) -> None:
    for record in session[AUTHENTICATION_METHODS_SESSION_KEY]:
        record["at"] = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT - 1
