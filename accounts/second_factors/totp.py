"""allauth's forms for the codes of an authenticator app. Each code works once (RFC 6238, 5.2).

allauth remembers a used code for one period, although MFA_TOTP_TOLERANCE accepts it for three. It does not remember the
code that set up the app.
"""

from typing import Any

from allauth.mfa import app_settings
from allauth.mfa.base import forms as base
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import forms

from accounts.allauth_internals import keep_code_used
from accounts.second_factors import secrets_at_rest


class _NamesTheCode:
    """For a page that asks for a code."""

    user: Any

    def has_app(self) -> bool:
        """Whether the code may come from an authenticator app. Recovery codes come with every second factor."""
        return bool(Authenticator.objects.filter(user=self.user, type=Authenticator.Type.TOTP).exists())


class AuthenticateForm(_NamesTheCode, base.AuthenticateForm):  # type: ignore[misc]  # allauth ships no types
    def clean_code(self) -> Any:
        # allauth counts a wrong code before it reads the factor. A factor that cannot be read must not count as a wrong
        # code.
        secrets_at_rest.require_readable(self.user)
        code = super().clean_code()
        _remember(self.authenticator, code)
        return code


class ReauthenticateForm(_NamesTheCode, base.ReauthenticateForm):  # type: ignore[misc]
    def clean_code(self) -> Any:
        secrets_at_rest.require_readable(self.user)
        code = super().clean_code()
        _remember(self.authenticator, code)
        return code


class ActivateTOTPForm(forms.ActivateTOTPForm):  # type: ignore[misc]
    def clean_code(self) -> Any:
        code = super().clean_code()
        _remember(Authenticator(user=self.user, type=Authenticator.Type.TOTP), code)
        return code


def _remember(authenticator: Authenticator, code: str) -> None:
    """Remembers a used code of an app for as long as it would be accepted. Recovery codes work once by themselves."""
    if authenticator.type == Authenticator.Type.TOTP:
        good_for = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
        keep_code_used(authenticator, code, good_for)
