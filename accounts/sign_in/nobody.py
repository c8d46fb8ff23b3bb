"""Does an account's work for an address that has no account, so that no response time shows which addresses have one.

For example, the pages for codes look up the account of a code. If there is no account, they look up another one and
forget it: the statement has the same shape, and the database sends a row too.
"""

import secrets

from allauth.account.models import EmailAddress
from django.db import transaction
from django.http import HttpRequest

from accounts.allauth_internals import (
    look_up_address_of_code,
    look_up_address_of_sign_up,
    set_account_of_pending_sign_in,
)
from accounts.models import User
from accounts.sign_in.code_emails import email_allowed
from accounts.sign_up.new_account import write_account

# No account has this primary key.
NOBODY = 0


def look_up_nobody() -> User:
    """An account that takes as much work as the one that is missing. Nobody may see it, or use it for anything."""
    return User.objects.filter(pk__gt=NOBODY).first() or User()


def look_up_no_address() -> None:
    next(iter(EmailAddress.objects.filter(pk__gt=NOBODY)[:1]), None)


def make_no_account(request: HttpRequest, user: User) -> None:
    """Writes the account with an address that nobody has, looks it up as a sign-up does, and takes it back."""
    typed = user.email
    user.email = f"{secrets.token_hex(16)}@example.invalid"
    with transaction.atomic():
        write_account(request, user)
        address = look_up_address_of_sign_up(user)
        email_allowed(request, typed)
        look_up_address_of_code(address)
        transaction.set_rollback(True)


def sign_in_nobody(request: HttpRequest) -> None:
    """Makes each later page look up an account although this sign-in has none."""
    set_account_of_pending_sign_in(request, NOBODY)
