"""What happens to accounts, for the security log (common/security_log.py): from signals, and from allauth's adapter."""

from typing import Any

from allauth.account import signals as account_signals
from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.addresses import canonical_or_none
from accounts.models import User
from accounts.signals import account_deactivated, account_reactivated
from common.security_log import Event, record, record_on_commit

# The events that allauth sends an email for, and no signal.
_MAILS = {
    "account/email/password_reset_code": Event.PASSWORD_RESET_ASKED,
    "account/email/password_reset_key": Event.PASSWORD_RESET_ASKED,
    "account/email/unknown_account": Event.PASSWORD_RESET_ASKED,
    "account/email/account_already_exists": Event.SIGN_UP_REFUSED,
    "account/email/email_confirmation": Event.EMAIL_CHANGE_ASKED,
}
_CODE_PAGE = "account_email_verification_sent"
_TO_A_NEW_ADDRESS = "account/email/email_confirmation_signup"


def whose(typed: str) -> dict[str, Any]:
    """The account that has the typed address; the address itself where no account has it.

    What is not shaped like an address is left out: it may be a password that was typed into the wrong field.
    """
    account = User.objects.having(typed)
    return {"account": account} if account else {"typed": canonical_or_none(typed)}


def note_mail(template_prefix: str, email: str, request: HttpRequest | None) -> None:
    """Called by the adapter for each email that it sends."""
    event = _MAILS.get(template_prefix)
    if template_prefix == _TO_A_NEW_ADDRESS or (event == Event.SIGN_UP_REFUSED and _page(request) == _CODE_PAGE):
        # As much work as for an address that has an account, or that has none: no response time shows which one has.
        # A sign-up was noted when it was asked for, so another email for it is no event.
        whose(email)
        return
    if event == Event.EMAIL_CHANGE_ASKED:
        if request is not None and request.user.is_authenticated:
            record(event, account=request.user)
    elif event:
        found = whose(email)
        reason = "address_taken" if event == Event.SIGN_UP_REFUSED else None
        if template_prefix.endswith("unknown_account"):
            # allauth knows no difference between an account that was deactivated and none.
            reason = "inactive" if "account" in found else "unknown_account"
        record(event, **found, reason=reason)


def _page(request: HttpRequest | None) -> str:
    match = getattr(request, "resolver_match", None)
    return str(match.url_name) if match else ""


def note_failed_sign_in(request: HttpRequest, typed: str) -> None:
    """Called by the adapter for each password that opened no account."""
    if _page(request) == "account_reauthenticate":
        record(Event.IDENTITY_NOT_CONFIRMED, account=request.user, reason="wrong_password")
        return
    found = whose(typed)
    record(Event.SIGN_IN_FAILED, **found, reason="wrong_password" if "account" in found else "unknown_account")


@receiver(account_signals.user_logged_in)
def note_sign_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    steps = [record.get("type") or record["method"] for record in get_authentication_records(request, user)]
    record(Event.SIGNED_IN, account=user, method="+".join(steps))


@receiver(user_logged_out)
def note_sign_out(user: User | None, **kwargs: Any) -> None:
    if user is not None:
        record(Event.SIGNED_OUT, account=user)


@receiver(account_signals.authentication_step_completed)
def note_confirmation(request: HttpRequest, user: User, method: str, **kwargs: Any) -> None:
    if kwargs.get("reauthenticated"):
        record(Event.IDENTITY_CONFIRMED, account=user, method=kwargs.get("type") or method)


@receiver(authentication_failed)
def note_wrong_code(user: User, reauthentication: bool = False, **kwargs: Any) -> None:
    event = Event.IDENTITY_NOT_CONFIRMED if reauthentication else Event.SECOND_FACTOR_FAILED
    record(event, account=user, reason="wrong_code")


def note_refused_passkey(request: HttpRequest, user: User | None) -> None:
    """`user` is None where the passkey alone would sign in: nobody is known then."""
    event = Event.SECOND_FACTOR_FAILED if user else Event.SIGN_IN_FAILED
    if user and request.user.is_authenticated:
        event = Event.IDENTITY_NOT_CONFIRMED
    record(event, account=user, reason="wrong_passkey")


@receiver([account_signals.email_verification_code_rejected, account_signals.password_reset_code_rejected])
def note_wrong_mailed_code(request: HttpRequest, user: User | None = None, **kwargs: Any) -> None:
    record(Event.MAILED_CODE_FAILED, account=user, page=_page(request))


@receiver([account_signals.password_changed, account_signals.password_set])
def note_new_password(user: User, **kwargs: Any) -> None:
    record(Event.PASSWORD_CHANGED, account=user)


@receiver(account_signals.password_reset)
def note_reset_password(user: User, **kwargs: Any) -> None:
    record(Event.PASSWORD_RESET, account=user)


@receiver(account_signals.email_confirmed)
def note_confirmed_address(email_address: Any, **kwargs: Any) -> None:
    record(Event.EMAIL_CONFIRMED, account=email_address.user)


def was_changed(user: User, email: str) -> bool:
    """Whether the account had another address before this request made `email` its address."""
    return user.email_as_read not in (None, "", email)


@receiver(account_signals.email_changed)
def note_changed_address(user: User, to_email_address: Any, **kwargs: Any) -> None:
    """allauth also says so when the account's own address is confirmed."""
    if was_changed(user, to_email_address.email):
        record(Event.EMAIL_CHANGED, account=user)


# Rows: whichever page, admin or command writes them.


@receiver(post_save, sender=User)
def note_new_account(instance: User, created: bool, **kwargs: Any) -> None:
    # An account that begins as a deleted one is nobody's (accounts/unconfirmed.py).
    if created and instance.deleted_at is None:
        record_on_commit(Event.ACCOUNT_CREATED, account=instance, staff=instance.is_staff or None)


@receiver(account_deactivated)
def note_deactivated_account(user: User, **kwargs: Any) -> None:
    record_on_commit(Event.ACCOUNT_DEACTIVATED, account=user)


@receiver(account_reactivated)
def note_reactivated_account(user: User, **kwargs: Any) -> None:
    record_on_commit(Event.ACCOUNT_REACTIVATED, account=user)


@receiver(post_save, sender=Authenticator)
def note_new_factor(instance: Any, created: bool, **kwargs: Any) -> None:
    if created:
        record_on_commit(Event.SECOND_FACTOR_ADDED, account=instance.user, type=instance.type)


@receiver(post_delete, sender=Authenticator)
def note_removed_factor(instance: Any, **kwargs: Any) -> None:
    record_on_commit(Event.SECOND_FACTOR_REMOVED, account=instance.user, type=instance.type)
