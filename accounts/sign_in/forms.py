"""Changes to allauth's forms: email addresses, limited password hashing, and passkeys."""

from typing import Any

from allauth.account import app_settings
from allauth.account import forms as account_forms
from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from accounts import allauth_internals
from accounts.addresses import canonical_or_none
from accounts.invited import opened
from accounts.models import User
from accounts.security_events import note_refused_passkey, note_wrong_mailed_code
from accounts.sign_in.code_emails import wait_for_email_to
from accounts.sign_in.hashing import TakesSlot
from accounts.sign_in.nobody import look_up_nobody, make_no_account, sign_in_nobody
from accounts.sign_in.pending import remember_at_reset
from accounts.sign_up import sign_up_policy
from accounts.sign_up.new_account import write_account
from common.names import refuse_secret
from common.security_log import Event, record

IN_PLAIN_TEXT = "Names of passkeys are shown and stored as they are."


class LoginForm(TakesSlot, allauth_internals.LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """An invited person finds the invited address filled in."""
        super().__init__(*args, **kwargs)
        self.invited = opened.address_to_enter(context.request)
        self.fields["login"].initial = self.invited
        if self.invited:
            # allauth's form asks for the focus itself.
            self.fields["login"].widget.attrs.pop("autofocus", None)

    def authenticated(self, credentials: dict[str, Any]) -> Any:
        """After a sign-in, pages use the account's own spelling of the address, however the person typed it.

        allauth rejects the right password while no email with a code may be sent. Here the page for the code follows.
        """
        adapter = get_account_adapter()
        user = adapter.authenticate(self.request, **credentials)
        if user is None:
            raise adapter.validation_error("email_password_mismatch")
        return user


class SignupForm(TakesSlot, account_forms.SignupForm):  # type: ignore[misc]
    """The adapter's `clean_email` makes the address canonical."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invited = opened.address_to_enter(context.request)
        if self.invited:
            self.initial["email"] = self.invited
            self.fields["email"].widget.attrs["readonly"] = True
            self.fields["email"].widget.attrs.pop("autofocus", None)

    def clean_email(self) -> str:
        """A sign-up from an invitation is for the invited address only."""
        address: str = super().clean_email()
        if self.invited and address != self.invited:
            raise ValidationError(f"This invitation is for {self.invited}. Create the account with this email.")
        return address

    def validate_unique_email(self, value: str) -> str:
        """An address is taken if an account has it. It is not taken if somebody only wants to change to it.

        SIGN_UP is asked first, so that its answer is the same for every address.
        """
        if refused := sign_up_policy.refusal(value):
            record(Event.SIGN_UP_REFUSED, typed=value, reason="not_allowed")
            raise ValidationError(refused, code="not_allowed")
        if User.objects.having(value):
            if app_settings.EMAIL_VERIFICATION != app_settings.EmailVerificationMethod.MANDATORY:
                raise get_account_adapter().validation_error("email_taken")
            self.account_already_exists = True
        return value

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Does the same work for an address that has an account: the same hash, and the same rows, which are removed
        again.
        """
        if self.account_already_exists:
            make_no_account(request, self._new_user(request))
        user, answer = super().try_save(request)
        if answer is not None and answer.status_code == 429:
            # As for a new address: should_send_confirmation_mail.
            wait_for_email_to(request, None, self.cleaned_data["email"])
            answer = get_account_adapter().respond_email_verification_sent(request, None)
        if user is None:
            sign_in_nobody(request)
        return user, answer

    def save(self, request: HttpRequest) -> Any:
        user = self._new_user(request)
        write_account(request, user)
        return user

    def _new_user(self, request: HttpRequest) -> User:
        """The account as it was typed, with the password's hash. It is not written yet."""
        adapter = get_account_adapter()
        user: User = adapter.save_user(request, adapter.new_user(request), self, commit=False)
        return user


class ReauthenticateForm(TakesSlot, account_forms.ReauthenticateForm):  # type: ignore[misc]
    pass


class ChangePasswordForm(TakesSlot, account_forms.ChangePasswordForm):  # type: ignore[misc]
    pass


class SetPasswordForm(TakesSlot, account_forms.SetPasswordForm):  # type: ignore[misc]
    pass


class ResetPasswordKeyForm(TakesSlot, account_forms.ResetPasswordKeyForm):  # type: ignore[misc]
    pass


class ConfirmPasswordResetCodeForm(account_forms.ConfirmPasswordResetCodeForm):  # type: ignore[misc]
    def clean(self) -> Any:
        """Looks up an account for every wrong code, and notes it. allauth does so only if the code belongs to an
        account, and the time would show it.
        """
        if self.errors and not self.expected_code:
            look_up_nobody()
            note_wrong_mailed_code(context.request)
        return super().clean()


class ResetPasswordForm(account_forms.ResetPasswordForm):  # type: ignore[misc]
    def clean_email(self) -> str:
        """Finds the account that has the address, with its own spelling. It ignores accounts that only want to change
        to the address.
        """
        typed: str = self.cleaned_data["email"]
        account = User.objects.having(typed)
        self.users = [account] if account and account.is_active else []
        return account.email if account else canonical_or_none(typed) or typed

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        address: str = super().save(request, **kwargs)
        if self.users:
            remember_at_reset(request, self.users[0])
        return address


class AddEmailForm(account_forms.AddEmailForm):  # type: ignore[misc]
    def clean_email(self) -> str:
        address: str = super().clean_email()
        if User.objects.having(address) == self.user:
            raise get_account_adapter().validation_error("duplicate_email")
        return address

    def save(self, request: HttpRequest) -> Any:
        """The current address stays until the new one is confirmed, even if it was never confirmed itself.

        allauth would take an unconfirmed address for an unfinished change, and drop it.
        """
        if app_settings.EMAIL_VERIFICATION_BY_CODE_ENABLED:
            return super().save(request)
        with transaction.atomic():
            EmailAddress.objects.filter(user=self.user, verified=False).exclude(email=self.user.email).delete()
            address = EmailAddress.objects.create(user=self.user, email=self.cleaned_data["email"])
        allauth_internals.send_link(request, address)
        return address


# These forms parse what a stranger sends, and allauth's own would fail on JSON of the wrong shape.


class AuthenticateWebAuthnForm(forms.AuthenticateWebAuthnForm):  # type: ignore[misc]
    def clean_credential(self) -> Any:
        return _noting_failure(super().clean_credential, self.user)


class LoginWebAuthnForm(forms.LoginWebAuthnForm):  # type: ignore[misc]
    def clean_credential(self) -> Any:
        return _noting_failure(super().clean_credential, None)


class ReauthenticateWebAuthnForm(forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]
    def clean_credential(self) -> Any:
        return _noting_failure(super().clean_credential, self.user)


class AddWebAuthnForm(forms.AddWebAuthnForm):  # type: ignore[misc]
    def clean_name(self) -> str:
        refuse_secret(self.cleaned_data["name"], IN_PLAIN_TEXT)
        name: str = super().clean_name()
        return name

    def clean(self) -> Any:
        return _refusing_other_shapes(super().clean)


class EditWebAuthnForm(forms.EditWebAuthnForm):  # type: ignore[misc]
    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        refuse_secret(name, IN_PLAIN_TEXT)
        return name


def _noting_failure(parse: Any, user: Any) -> Any:
    """Notes a rejected passkey in the security log, because allauth has a signal for wrong codes only."""
    try:
        return _refusing_other_shapes(parse)
    except ValidationError as error:
        if error.code == "incorrect_code":
            note_refused_passkey(context.request, user)
        raise


def _refusing_other_shapes(parse: Any) -> Any:
    """Returns what `parse` returns, or a form error if the JSON is not a credential."""
    try:
        return parse()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise get_adapter().validation_error("incorrect_code") from error
