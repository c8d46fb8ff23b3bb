"""The work that an account costs, done for an address that has none: no response time shows which addresses have one.

The pages for codes, for example, look up the account that a code is about. Where there is no account they look up
nobody instead. The database takes as long to find nothing.
"""

import secrets

from allauth.account.internal.stagekit import LOGIN_SESSION_KEY
from allauth.account.models import EmailAddress
from allauth.account.utils import setup_user_email
from django.db import transaction
from django.http import HttpRequest

from accounts.models import User

# No account has this primary key.
NOBODY = 0


def look_up_nobody() -> None:
    User.objects.filter(pk=NOBODY).first()


def look_up_no_address() -> None:
    EmailAddress.objects.filter(user_id=NOBODY, email="").first()


def make_no_account(request: HttpRequest, password: str) -> None:
    """Hashes the password and writes an account with an address, as a sign-up does, and takes the rows back.

    The password is hashed first: SQLite lets nobody else write while the transaction lasts.
    """
    user = User(email=f"{secrets.token_hex(16)}@example.invalid")
    user.set_password(password)
    with transaction.atomic():
        user.save()
        setup_user_email(request, user, [])
        transaction.set_rollback(True)


def sign_in_nobody(request: HttpRequest) -> None:
    """Has each later page look up the account of a sign-in that is about none."""
    if pending := request.session.get(LOGIN_SESSION_KEY):
        request.session[LOGIN_SESSION_KEY] = {**pending, "user_pk": str(NOBODY)}
