"""allauth's passkey forms, which parse what a stranger sends and trip over JSON of the wrong shape."""

from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn import forms


class AuthenticateWebAuthnForm(forms.AuthenticateWebAuthnForm):  # type: ignore[misc]  # allauth ships no types
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
