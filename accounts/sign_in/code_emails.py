"""Emails with a code: at most one in ten seconds to an address.

Anyone can use up the limit of an address, by signing up with it. A person who has given the account's password has a
separate limit, so that strangers cannot keep the code from them.
"""

from typing import Any

from django.http import HttpRequest

from accounts import allauth_internals

NOT_SENT = "not_sent"  # in the state of a code that waits for an email


def own_email_allowed(request: HttpRequest, address: str) -> bool:
    """Whether a person who has given the password may get an email now. Emails that strangers caused do not count."""
    if not allauth_internals.consume(request, "own_code", key=address.lower()):
        return False
    allauth_internals.clear(request, "confirm_email", key=address.lower())
    return True


def wait_for_next_email(request: HttpRequest, email_address: Any) -> None:
    """Prepares the code's page, where the person can ask for an email."""
    allauth_internals.wait_for_code(request, email_address.user, email_address.email, **{NOT_SENT: True})
