"""The ways to sign in that SIGN_IN lists, and the pages that belong to passwords alone."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

# Beside the pages that have "password" or "signup" in their names. A passkey that signs in without a password would
# lead past the provider.
_OTHER_WAYS = {
    "account_reauthenticate",
    "account_request_login_code",
    "account_confirm_login_code",
    "mfa_login_webauthn",
}
# Administrators keep a password, for the day when the provider is away.
_OF_ADMINISTRATORS = {
    *("account_reauthenticate", "account_change_password", "account_set_password", "well_known_change_password"),
}


def has_passwords() -> bool:
    return "password" in settings.SIGN_IN


def has_single_sign_on() -> bool:
    return "oidc" in settings.SIGN_IN


def only_with_provider(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """404 unless SIGN_IN lists single sign-on."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not has_single_sign_on():
            raise Http404
        return view(request, *args, **kwargs)

    return wrapped


def is_closed(request: HttpRequest) -> bool:
    """Whether the page belongs to passwords, and nobody has one."""
    match = request.resolver_match
    if match is None or match.app_name == "admin":
        return False
    name = str(match.url_name)
    if has_passwords() or (name in _OF_ADMINISTRATORS and keeps_password(request.user)):
        return False
    if name == "account_login":
        return request.method not in {"GET", "HEAD"}
    return name in _OTHER_WAYS or "password" in name or "signup" in name


def keeps_password(user: Any) -> bool:
    """Whether the person may use a password: everybody, or with SIGN_IN=oidc administrators alone."""
    return has_passwords() or bool(user.is_authenticated and is_administrator(user))


def is_administrator(user: Any) -> bool:
    """Superusers and staff. An address alone never opens or clears such an account: whoever can make a provider or a
    mailbox name an address would get the admin.
    """
    return bool(user.is_superuser or user.is_staff)


# Words that follow SIGN_IN. Pages, emails and commands take them from here.


def first_factor(user: Any = None) -> str:
    """What a second factor comes after; of the person, or of people in general."""
    has_one = has_passwords() if user is None else keeps_password(user)
    return "your password" if has_one else f"your {settings.OIDC_NAME} account"


def in_words(text: str) -> str:
    """Fills two slots of a text: {secure_account}, which is what people do who fear that somebody else uses their
    account, and {administrator}, whom they tell.
    """
    action = "change your password" if has_passwords() else f"secure {first_factor()}"
    return text.replace("{secure_account}", action).replace("{administrator}", settings.BRAND.administrator)


def page_of_new_password(user: Any) -> str:
    """The URL's name of the page where the person gets another password; "" if they have none."""
    if has_passwords():
        return "account_reset_password"
    return "account_change_password" if keeps_password(user) else ""
