"""Emails with a code: at most one in ten seconds to an address.

Anyone can use up the limit of an address, by signing up with it. A person who has given the account's password has a
separate limit, so that strangers cannot keep the code from them.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts import allauth_internals, rate_limits

NOT_SENT = "not_sent"  # in the state of a code that waits for an email


def email_allowed(request: HttpRequest, address: str) -> bool:
    """Whether an email with a code may be sent to the address now. A link is sent, or silently not, by allauth."""
    if not settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED:
        return True
    return not rate_limits.seconds_to_wait(request, "confirm_email", address.lower())


def own_email_allowed(request: HttpRequest, address: str) -> bool:
    """Whether a person who has given the password may get an email now. Emails that strangers caused do not count."""
    if not allauth_internals.consume(request, "own_code", key=address.lower()):
        return False
    allauth_internals.clear(request, "confirm_email", key=address.lower())
    return True


def wait_for_next_email(request: HttpRequest, email_address: Any) -> None:
    """Prepares the code's page, where the person can ask for an email."""
    wait_for_email_to(request, email_address.user, email_address.email)


def wait_for_email_to(request: HttpRequest, user: Any, address: str) -> None:
    allauth_internals.wait_for_code(request, user, address, **{NOT_SENT: True})
