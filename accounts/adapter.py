from smtplib import SMTPException
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import structlog
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse

from accounts import allauth_internals, rate_limits, security_events, ways
from accounts.addresses import canonical, canonical_or_none, look_of
from accounts.invited import opened
from accounts.models import User
from accounts.second_factors import secrets_at_rest
from accounts.sessions.session_list import end_sessions_after_change, were_sessions_ended
from accounts.sign_in.code_emails import email_allowed, own_email_allowed, wait_for_next_email
from accounts.sign_in.pending import ENDED
from accounts.sign_in.recent_authentication import was_recent
from accounts.sign_up import sign_up_policy
from accounts.single_sign_on.connections import is_connected
from accounts.unconfirmed import note_clearing
from common.client_address import client_address, network_of
from common.security_log import Event, record

logger = structlog.get_logger(__name__)

# These forms have no field that an error could stand beside, and allauth's words are about a code.
PASSKEY_VIEWS = {"mfa_login_webauthn", "mfa_reauthenticate_webauthn"}


class AccountAdapter(allauth_internals.AccountAdapter):
    """allauth's sign-in, with our rule for the client's address and in our words."""

    error_messages = {
        **allauth_internals.AccountAdapter.error_messages,
        "account_inactive": "This account is inactive. Ask an administrator.",
        "duplicate_email": "This is your address already.",
        "email_password_mismatch": "The email or the password is wrong.",
        "email_taken": "An account with this email exists. Sign in instead.",
        "enter_current_password": "This is not your current password.",
        "incorrect_code": "This code is wrong. Check it and try again.",
        "incorrect_password": "This password is wrong.",
        "rate_limited": "Too many attempts. Try again in a moment.",
        "same_as_current": "This is the address you have already given.",
        # For the last of the wrong codes. A limit says how long it lasts, see `validation_error`.
        "too_many_login_attempts": "Too many wrong codes. Start again to get a new one.",
    }

    def get_client_ip(self, request: HttpRequest) -> Any:
        return client_address(request) or "0.0.0.0"  # noqa: S104  a Unix socket's clients share one limit

    def is_ajax(self, request: HttpRequest) -> bool:
        """Only the script that signs people in with a passkey gets JSON. That of other pages contains primary keys."""
        view = request.resolver_match and request.resolver_match.view_name
        return view == "mfa_login_webauthn" and bool(super().is_ajax(request))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Rejects an attempt above a limit: of the address, of the account from this address, or of the account from
        anywhere.

        If the second limit counted for the account alone, five wrong passwords would keep the account's owner out.
        """
        account = self._login_keys(request, **credentials)[1]
        super().pre_authenticate(request, **credentials)
        usage = allauth_internals.consume(request, "login_failed_account", key=account)
        if not usage:
            raise self.validation_error("too_many_login_attempts")
        self.give_back_at_sign_in(usage)

    def login_attempts_key(self, request: HttpRequest, **credentials: Any) -> str:
        return self._login_keys(request, **credentials)[0]

    def _login_keys(self, request: HttpRequest, **credentials: Any) -> tuple[str, str]:
        """The key for the account from this address, and the key for the account.

        allauth's own key contains the Host header, where anyone may write another port. All spellings of one address
        count together, and so do addresses that only look like it.
        """
        typed = str(credentials.get("email", ""))
        account = canonical_or_none(typed) or look_of(typed)
        return f"{account}:{network_of(client_address(request))}", account

    def forget_login_attempts(self, request: HttpRequest, **credentials: Any) -> None:
        """After a password reset by email the owner may sign in, however many wrong passwords others have tried."""
        super().forget_login_attempts(request, **credentials)
        account = self._login_keys(request, **credentials)[1]
        allauth_internals.clear(request, "login_failed_account", key=account)

    def clean_email(self, email: str) -> str:
        """Used for sign-up and for a change of address. Raises ValidationError, in words, for an address without a
        canonical form, and for a domain that SIGN_UP_DOMAINS does not allow.
        """
        form = canonical(email)
        if refused := sign_up_policy.domain_refusal(form):
            raise ValidationError(refused, code="domain")
        return form

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return sign_up_policy.page().has_form

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        """A new person who has opened an invitation comes back to it."""
        return opened.page_to_come_back_to(request) or str(super().get_signup_redirect_url(request))

    def is_email_verified(self, request: HttpRequest, email: str) -> bool:
        """Whether a sign-up needs no code, because the person has just opened an invitation that was mailed to them."""
        return opened.is_proven(request, email)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A mail server may reject an address without a canonical form, or may read another address in it.

        Only an account that is older than the rule has such an address. It gets its email if the mail server accepts
        the address.
        """
        security_events.note_mail(template_prefix, email, self.request)
        context = _with_own_links(self.request, context)
        if template_prefix == "account/email/account_already_exists":
            context["sign_in_url"] = settings.BASE_URL + opened.sign_in_page(self.request, email)
        if canonical_or_none(email) is not None:
            super().send_mail(template_prefix, email, context)
        elif template_prefix != "account/email/unknown_account":
            try:
                super().send_mail(template_prefix, email, context)
            except (ValueError, SMTPException) as error:
                logger.warning("mail_address_refused", cause=type(error).__name__)

    def render_mail(self, template_prefix: str, email: Any, context: dict[str, Any], headers: Any = None) -> Any:
        """An email with a code says how long the code works. The outbox does not send the email after that time."""
        message = super().render_mail(template_prefix, email, context, headers)
        if "code" in context:
            message.useful_seconds = settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT
        return message

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """allauth tells of a changed email to any other address of the account, also to one that only waits for its
        confirmation, and that anybody may have typed. Ours tells the address that was the account's.
        """
        context = context or {}
        if template_prefix == "account/email/email_changed":
            email = user.email_as_read
            if not security_events.was_changed(user, context["to_email"]):
                return
            context = {**context, "from_email": email}
        said = {
            "signed_out_elsewhere": were_sessions_ended(self.request),
            "password_page": ways.page_of_new_password(user),
            "account_id": user.public_id,
        }
        super().send_notification_mail(template_prefix, user, said | context, email)

    def set_password(self, user: User, password: str) -> None:
        """Django ends the other sessions, but tells nobody. This method tells the person. It also ends links that were
        sent to a new address.

        The hash takes a while. If the account was deactivated meanwhile, or has another address, its password stays.
        """
        user.set_password(password)
        with transaction.atomic():
            same = User.objects.filter(pk=user.pk, email=user.email, is_active=True)
            if not same.update(password=user.password):
                messages.warning(context.request, ENDED)
                raise ImmediateHttpResponse(redirect("account_login"))
            EmailAddress.objects.filter(user=user, verified=False).exclude(email=user.email).delete()
            end_sessions_after_change(user)

    def confirm_email(self, request: HttpRequest, email_address: Any) -> bool:
        """Returns whether the address is now the account's. It never is if another account has it, even if both ask at
        once, or if the account is deactivated.
        """
        holder = User.objects.having(email_address.email)
        if email_address.user.is_active and (holder is None or holder.pk == email_address.user_id):
            try:
                with transaction.atomic():
                    return bool(super().confirm_email(request, email_address))
            except IntegrityError:
                pass
        template = "account/messages/email_confirmation_failed.txt"
        self.add_message(request, messages.ERROR, template, {"email": email_address.email})
        return False

    def reauthenticate(self, user: User, password: str) -> bool:
        """Checks the account itself, because another account may have its address (accounts/address_clashes.py)."""
        return bool(self.authenticate(context.request, email=user.email, password=password, account=user.pk))

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        security_events.note_failed_sign_in(request, str(credentials.get("email", "")))

    def respond_user_inactive(self, request: HttpRequest, user: User) -> Any:
        record(Event.SIGN_IN_FAILED, account=user, reason="inactive")
        return super().respond_user_inactive(request, user)

    def login(self, request: HttpRequest, user: User) -> None:
        """Names a backend in the session that the previous release knows too. That release may run beside this one."""
        note_clearing(request, user)
        user.backend = "django.contrib.auth.backends.ModelBackend"  # type: ignore[attr-defined]
        super().login(request, user)

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        """Answers 429 for limits that allauth shows as errors of a form, on a page with status 200."""
        request = context.request
        if code in {"too_many_login_attempts", "rate_limited"}:
            rate_limits.hold_up(request)
            wait = rate_limits.in_words(rate_limits.held_up_seconds(request))
            return ValidationError(f"Too many attempts. Try again in {wait}.", code=code)
        if code == "enter_current_password":
            record(Event.IDENTITY_NOT_CONFIRMED, account=request.user, reason="wrong_password")
        error: ValidationError = super().validation_error(code, *args)
        return error

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Decides by our rule: a sign-in counts as a confirmation. allauth would ask for one right after it.

        allauth asks nobody who has no password and no second factor. They confirm at the provider of single sign-on.
        """
        if not super().is_reauthentication_required(app=app, **kwargs) or was_recent(self.request):
            return False
        if self.get_reauthentication_methods(self.request.user):
            raise ReauthenticationRequired
        return True

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """The ways to confirm who is there, the first one first."""
        methods = super().get_reauthentication_methods(user)
        if not ways.keeps_password(user):
            methods = [method for method in methods if method["id"] != "reauthenticate"]
        if user.is_authenticated and is_connected(user):
            description = f"Continue with {settings.OIDC_NAME}"
            url = reverse("single_sign_on_confirm")
            methods.append({"id": "single_sign_on", "description": description, "url": url})
        return list(methods)

    def is_safe_url(self, url: str | None) -> bool:
        """Whether a `next` may be followed. allauth's own method raises for a malformed address, such as `http://[::1`."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def format_email_subject(self, subject: str) -> str:
        return settings.EMAIL_SUBJECT_PREFIX + str(subject)

    def get_login_stages(self) -> list[str]:
        return ["accounts.sign_in.pending.RememberAccount", *super().get_login_stages()]

    def should_send_confirmation_mail(self, request: HttpRequest, email_address: Any, signup: bool) -> bool:
        """At a sign-in, an email is sent only within the person's own limit; at a sign-up, within that of the address.
        The page for the code follows anyway.
        """
        if email_allowed(request, email_address.email) if signup else own_email_allowed(request, email_address.email):
            return True
        if signup:
            # As much work as for an address that has an account. It counts nothing.
            allauth_internals.consume(request, "confirm_email", key=email_address.email.lower())
        wait_for_next_email(request, email_address)
        return False

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        """Announces failures as warnings, because our announcements know no errors."""
        if level == messages.ERROR:
            level = messages.WARNING
            if request.resolver_match and request.resolver_match.url_name in PASSKEY_VIEWS:
                message = "That passkey was not accepted. Try again, or use another way."
        super().add_message(request, level, message_template, message_context, extra_tags, message)


def _with_own_links(request: HttpRequest | None, context: dict[str, Any]) -> dict[str, Any]:
    """An email's context with BASE_URL in its links. allauth would use the Host header, whose port anyone may write.

    `current_site` is the server's name in emails.
    """
    site = SimpleNamespace(domain=urlsplit(settings.BASE_URL).netloc, name=settings.BASE_URL)
    if request is None:
        return {**context, "current_site": site}
    asked = request.build_absolute_uri("/")
    links = {
        name: f"{settings.BASE_URL}/{value.removeprefix(asked)}"
        for name, value in context.items()
        if isinstance(value, str) and value.startswith(asked)
    }
    return {**context, **links, "current_site": site}


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """Second factors with our words, encrypted in the database."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": AccountAdapter.error_messages["incorrect_code"],
        "unverified_email": "Confirm your email first: two-factor authentication needs a confirmed one.",
    }

    def encrypt(self, text: str) -> str:
        return secrets_at_rest.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return secrets_at_rest.unseal(encrypted_text)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Whom a browser names when it creates a passkey."""
        return {**super().get_public_key_credential_rp_entity(), "name": settings.BRAND.name}

    def generate_authenticator_name(self, user: User, type: str) -> str:  # noqa: A002  allauth's name
        """The name of a new passkey, until its owner changes it."""
        others = Authenticator.objects.filter(user=user, type=type).count()
        return f"Passkey {others + 1}" if others else "Passkey"
