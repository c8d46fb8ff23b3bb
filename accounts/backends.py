"""Finds the account that an address and a password open. allauth and Django would each look the address up in their own
way.
"""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.allauth_internals import AuthenticationBackend
from accounts.models import User


class AddressBackend(AuthenticationBackend):
    """Tries the account that has the address, then the accounts that had it in another spelling, each with its own
    password.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """The user, or None for credentials without a password. Raises PermissionDenied, which ends the search."""
        user: User | None = super().authenticate(request, **credentials)
        if user is None and credentials.get("password"):
            raise PermissionDenied
        return user

    def search(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """The search itself. allauth makes it take as long without an account. `account` restricts it to one user."""
        address = credentials.get("email") or credentials.get("username") or ""
        account = credentials.get("account")
        for user in User.objects.sharing(address):
            if account in (None, user.pk) and self.has_password(user, credentials["password"]):
                return user
        return None
