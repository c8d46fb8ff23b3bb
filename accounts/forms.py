"""allauth's forms, where they fall short: those that hash a password, a change of address, and passkeys."""

from typing import Any

from allauth.account import app_settings
from allauth.account import forms as account_forms
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn import forms
from django.db import transaction
from django.http import HttpRequest

from accounts.hashing import TakesSlot


class LoginForm(TakesSlot, account_forms.LoginForm):  # type: ignore[misc]  # allauth ships no types
    pass


class SignupForm(TakesSlot, account_forms.SignupForm):  # type: ignore[misc]
    pass


class ReauthenticateForm(TakesSlot, account_forms.ReauthenticateForm):  # type: ignore[misc]
    pass


class ChangePasswordForm(TakesSlot, account_forms.ChangePasswordForm):  # type: ignore[misc]
    pass


class SetPasswordForm(TakesSlot, account_forms.SetPasswordForm):  # type: ignore[misc]
    pass


class ResetPasswordKeyForm(TakesSlot, account_forms.ResetPasswordKeyForm):  # type: ignore[misc]
    pass


class AddEmailForm(account_forms.AddEmailForm):  # type: ignore[misc]
    def save(self, request: HttpRequest) -> Any:
        """The address at hand stays until the new one is confirmed, also if it was never confirmed itself.

        allauth takes one that was not confirmed for a change that was not finished, and drops it.
        """
        if app_settings.EMAIL_VERIFICATION_BY_CODE_ENABLED:
            return super().save(request)
        with transaction.atomic():
            EmailAddress.objects.filter(user=self.user, verified=False).exclude(email__iexact=self.user.email).delete()
            address = EmailAddress.objects.create(user=self.user, email=self.cleaned_data["email"])
        send_verification_email_to_address(request, address)
        return address


# They parse what a stranger sends, and trip over JSON of the wrong shape.


class AuthenticateWebAuthnForm(forms.AuthenticateWebAuthnForm):  # type: ignore[misc]
    def clean_credential(self) -> Any:
        return _refusing_other_shapes(super().clean_credential)


class LoginWebAuthnForm(forms.LoginWebAuthnForm):  # type: ignore[misc]
    def clean_credential(self) -> Any:
        return _refusing_other_shapes(super().clean_credential)


class ReauthenticateWebAuthnForm(forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]
    def clean_credential(self) -> Any:
        return _refusing_other_shapes(super().clean_credential)


class AddWebAuthnForm(forms.AddWebAuthnForm):  # type: ignore[misc]
    def clean(self) -> Any:
        return _refusing_other_shapes(super().clean)


def _refusing_other_shapes(parse: Any) -> Any:
    """What `parse` returns; a form error where the credential is JSON, but not a credential."""
    try:
        return parse()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise get_adapter().validation_error("incorrect_code") from error
