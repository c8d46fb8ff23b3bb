"""Does an account's work for an address that has no account, so that no response time shows which addresses have one.

For example, the pages for codes look up the account of a code. If there is no account, they look up a primary key that
no account has, which takes the database as long.
"""

import secrets

from allauth.account.models import EmailAddress
from allauth.account.utils import setup_user_email
from django.db import transaction
from django.http import HttpRequest

from accounts.allauth_internals import set_account_of_pending_sign_in
from accounts.models import User

# No account has this primary key.
NOBODY = 0


def look_up_nobody() -> None:
    User.objects.filter(pk=NOBODY).first()


def look_up_no_address() -> None:
    EmailAddress.objects.filter(user_id=NOBODY, email="").first()


def make_no_account(request: HttpRequest, password: str) -> None:
    """Hashes the password, writes an account with an address as a sign-up does, and removes these rows.

    The password is hashed first, because on SQLite nobody else can write during the transaction.
    """
    user = User(email=f"{secrets.token_hex(16)}@example.invalid")
    user.set_password(password)
    with transaction.atomic():
        user.save()
        setup_user_email(request, user, [])
        transaction.set_rollback(True)


def sign_in_nobody(request: HttpRequest) -> None:
    """Makes each later page look up an account although this sign-in has none."""
    set_account_of_pending_sign_in(request, NOBODY)
