"""The rows of an account that somebody signs up for."""

from allauth.account.models import EmailAddress
from allauth.account.utils import setup_user_email
from django.http import HttpRequest

from accounts.models import User


def write_account(request: HttpRequest, user: User) -> None:
    """Writes the account with its address. allauth leaves the address out if somebody else wants to change to it.

    `user` has its password already, because a hash takes long, and on SQLite nobody else can write during a
    transaction of the caller.
    """
    user.save()
    setup_user_email(request, user, [])
    address, is_new = EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"primary": True})
    if is_new:
        EmailAddress.objects.fill_cache_for_user(user, [address])
