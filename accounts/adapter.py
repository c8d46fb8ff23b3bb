from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from accounts.client_address import client_address


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """allauth's sign-in, with our rule for the client's address."""

    def get_client_ip(self, request: HttpRequest) -> Any:
        return client_address(request) or "0.0.0.0"  # noqa: S104  a Unix socket's clients share one limit
