from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest

from accounts.client_address import client_address
from accounts.models import User
from accounts.recent_authentication import was_recent

# Their forms have no field that an error could stand beside, and allauth's words speak of a code.
PASSKEY_VIEWS = {"mfa_login_webauthn", "mfa_reauthenticate_webauthn"}


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """allauth's sign-in, with our rule for the client's address and in our words."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": "This account is inactive. Ask an administrator.",
        "duplicate_email": "This is your address already.",
        "email_password_mismatch": "The e-mail address or the password is wrong.",
        "email_taken": "An account with this e-mail address exists. Sign in instead.",
        "enter_current_password": "This is not your current password.",
        "incorrect_code": "This code is wrong. Check it and try again.",
        "incorrect_password": "This password is wrong.",
        "rate_limited": "That was quick. Wait a moment, then try again.",
        "same_as_current": "This is the address you have already given.",
        "too_many_login_attempts": "Too many attempts. Wait a few minutes, then try again.",
    }

    def get_client_ip(self, request: HttpRequest) -> Any:
        return client_address(request) or "0.0.0.0"  # noqa: S104  a Unix socket's clients share one limit

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """By our rule: a sign-in is as good as the confirmation that allauth would ask for straight after it."""
        return bool(super().is_reauthentication_required(app=app, **kwargs)) and not was_recent(self.request)

    def is_safe_url(self, url: str | None) -> bool:
        """Whether a `next` may be followed; allauth's own raises for what is no address, such as `http://[::1`."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def format_email_subject(self, subject: str) -> str:
        return settings.EMAIL_SUBJECT_PREFIX + str(subject)

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        """Announces failures as warnings, the only kind of trouble our announcements know."""
        if level == messages.ERROR:
            level = messages.WARNING
            if request.resolver_match and request.resolver_match.url_name in PASSKEY_VIEWS:
                message = "That passkey was not accepted. Try again, or use another way."
        super().add_message(request, level, message_template, message_context, extra_tags, message)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """Second factors in our words."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": AccountAdapter.error_messages["incorrect_code"],
        "unverified_email": "Confirm your e-mail address first: two-factor authentication needs a confirmed one.",
    }

    def generate_authenticator_name(self, user: User, type: str) -> str:  # noqa: A002  allauth's name
        """What a new passkey is called until its owner says otherwise."""
        others = Authenticator.objects.filter(user=user, type=type).count()
        return f"Passkey {others + 1}" if others else "Passkey"
