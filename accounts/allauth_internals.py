"""The only module that uses what allauth keeps private: names with an underscore, and modules called `internal`.

allauth may change them in any release, so pyproject.toml pins its minor version.
tests/accounts/test_allauth_contract.py holds what this module relies on. An upgrade of allauth begins there.
"""

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from allauth import urls as allauth_urls
from allauth.account import auth_backends
from allauth.account import forms as account_forms
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.email_verification import get_address_for_user, send_verification_email_to_address
from allauth.account.internal.flows.email_verification_by_code import (
    EMAIL_VERIFICATION_CODE_SESSION_KEY,
    EmailVerificationProcess,
)
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.password_reset_by_code import PASSWORD_RESET_VERIFICATION_SESSION_KEY
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY
from allauth.account.internal.stagekit import LOGIN_SESSION_KEY, clear_login
from allauth.account.models import EmailAddress, Login
from allauth.account.utils import has_verified_email, url_str_to_user_pk
from allauth.account.views import ConfirmEmailVerificationCodeView
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.webauthn import urls as passkeys
from allauth.socialaccount.internal.statekit import get_states
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

# Limits: those of ACCOUNT_RATE_LIMITS, and limits of ours that are counted in the same way.

_APP = "allauth.account"


def consume(
    request: HttpRequest,
    action: str,
    *,
    key: str | None = None,
    config: dict[str, str] | None = None,
    on_get: bool = False,
) -> Any:
    """Counts one use of `action`. Falsy if that is one too many. A GET counts only with `on_get`.

    allauth's counter has a lock, so that a limit holds for all processes and for requests that arrive together.
    """
    return ratelimit.consume(request, app=_APP, action=action, key=key, config=config, limit_get=on_get)


def consume_or_429(request: HttpRequest, action: str) -> HttpResponse | None:
    """Counts one use of `action`; the answer of 429 if that is one too many."""
    answer: HttpResponse | None = ratelimit.consume_or_429(request, app=_APP, action=action)
    return answer


def clear(request: HttpRequest, action: str, *, key: str) -> None:
    """Forgets all uses of `action` that were counted for `key`."""
    ratelimit.clear(request, app=_APP, action=action, key=key)


def seconds_left(times: Iterable[float], amount: int, seconds: float, now: float) -> int:
    """How long until `amount` uses in `seconds` allow one more; 0 if they do now. `times` of the uses counted."""
    recent = sorted((at for at in times if at > now - seconds), reverse=True)
    return int(recent[amount - 1] + seconds - now) + 1 if len(recent) >= amount else 0


def noted_seconds(request: HttpRequest) -> int:
    """How long the limit lasts that refused this request last; 0 if none did. allauth does not say which one it was."""
    return int(getattr(request, "seconds_until_allowed", 0))


_consume_single_rate = ratelimit._consume_single_rate


def _consume_and_note(
    request: HttpRequest, *, app: str, action: str, rate: Any, key: str | None = None, user: Any = None, **options: Any
) -> Any:
    usage = None
    try:
        usage = _consume_single_rate(request, app=app, action=action, rate=rate, key=key, user=user, **options)
    finally:
        if usage is None:
            rates = dict.fromkeys([rate, *ratelimit.get_rates(app=app, action=action)])
            left = [_left_of(request, each, app=app, action=action, key=key, user=user) for each in rates]
            request.seconds_until_allowed = max(1, *left)  # type: ignore[attr-defined]
    return usage


ratelimit._consume_single_rate = _consume_and_note


def _left_of(request: HttpRequest, rate: Any, **whose: Any) -> int:
    place = ratelimit.get_cache_key(request, rate=rate, **whose)
    return seconds_left(cache.get(place, []), rate.amount, rate.duration, time.time())


class Counted(NamedTuple):
    """One rate of an action: `amount` uses in `seconds`; `times` of the uses counted."""

    amount: int
    seconds: int
    times: list[float]


def counted(request: HttpRequest, action: str, key: str) -> list[Counted]:
    """What the cache holds of an action, for each of its rates."""
    found = []
    for rate in ratelimit.get_rates(app=_APP, action=action):
        place = ratelimit.get_cache_key(request, app=_APP, action=action, rate=rate, key=key)
        found.append(Counted(rate.amount, int(rate.duration), cache.get(place, [])))
    return found


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """The hooks of a limited sign-in, under names of ours."""

    def login_attempts_key(self, request: HttpRequest, **credentials: Any) -> str:
        """For whom failed sign-ins with these credentials are counted."""
        raise NotImplementedError

    def forget_login_attempts(self, request: HttpRequest, **credentials: Any) -> None:
        """Called when the owner of the account has reset the password."""
        super()._delete_login_attempts_cached_email(request, **credentials)

    def give_back_at_sign_in(self, usage: Any) -> None:
        """A sign-in that succeeds gives back what `consume` counted as `usage`. Called after `pre_authenticate`."""
        self._login_failed_rl_usage.usage += usage.usage

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        return self.login_attempts_key(request, **credentials)

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        self.forget_login_attempts(request, **credentials)


class AuthenticationBackend(auth_backends.AuthenticationBackend):  # type: ignore[misc]
    def search(self, request: HttpRequest | None, **credentials: Any) -> Any:
        """The account of these credentials, or None. allauth makes it take as long without an account."""
        raise NotImplementedError

    def has_password(self, user: Any, password: str) -> bool:
        return bool(self._check_password(user, password))

    def _authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        return self.search(request, **credentials)


class LoginForm(account_forms.LoginForm):  # type: ignore[misc]
    def authenticated(self, credentials: dict[str, Any]) -> Any:
        """The account of these credentials. Raises ValidationError if there is none."""
        raise NotImplementedError

    def _clean_with_password(self, credentials: dict[str, Any]) -> Any:
        self.user = self.authenticated(credentials)
        self._login = Login(user=self.user, email=self.user.email)
        return self.cleaned_data


class CodePage(ConfirmEmailVerificationCodeView):  # type: ignore[misc]
    """The page that takes an emailed code."""

    @property
    def process(self) -> Any:
        """The code that is waited for: `user`, `email`, `state`."""
        return self._process

    def before_resend(self) -> None:
        """Called before another email is sent."""

    def note_not_resent(self) -> None:
        """Called if a limit does not allow another email yet. The code before it goes on working."""

    def note_wrong_code(self) -> None:
        """Called for a wrong code that belongs to no account. allauth has a signal for the others."""

    def _verify_form_invalid(self, form: Any) -> HttpResponse:
        if self._process.user is None:
            self.note_wrong_code()
        answer: HttpResponse = super()._verify_form_invalid(form)
        return answer

    def _resend_form_valid(self, form: Any) -> HttpResponse:
        code = self._process.code
        self.before_resend()
        self._process.generate_code()
        try:
            self._process.send()
        except ImmediateHttpResponse:
            self._process.state["code"] = code
            return self.not_resent()
        self._process.record_resend()
        self._process.persist()
        return HttpResponseRedirect(self.passthrough_next_url(reverse("account_email_verification_sent")))

    def not_resent(self) -> HttpResponse:
        """This page again, with an empty field for the code that was sent before."""
        self.note_not_resent()
        self._action = "verify"
        form = self._get_verify_form_class()(code="", user=None, email=self._process.email)
        answer: HttpResponse = self.render_to_response(self.get_context_data(form=form))
        return answer


def wait_for_code(request: HttpRequest, user: Any, address: str, **state: Any) -> None:
    """The code's page waits for a code to `address`. No email is sent. `state` is kept with the code."""
    first = EmailVerificationProcess.initial_state(user, address) | state
    process = EmailVerificationProcess(request=request, user=user, state=first)
    process.generate_code()
    process.persist()


def look_up_address_of_sign_up(user: Any) -> Any:
    """Reads what a sign-up reads of its new account before it asks whether it may send a code."""
    has_verified_email(user)
    return get_address_for_user(user)


def look_up_address_of_code(address: Any) -> None:
    """Reads what it reads after that."""
    EmailAddress.objects.get_for_user(address.user, address.email)


def send_link(request: HttpRequest, address: Any) -> None:
    """Emails a link that confirms the EmailAddress `address`."""
    send_verification_email_to_address(request, address)


# Sign-ins and resets that wait for a code, in the session.


class PendingSignIn(NamedTuple):
    """`user_pk` is None if no account has the address; a stage may keep things in `state`."""

    user_pk: Any
    state: dict[str, Any]


def pending_sign_in(request: HttpRequest) -> PendingSignIn | None:
    found = request.session.get(LOGIN_SESSION_KEY)
    if not found:
        return None
    key = found["user_pk"]
    return PendingSignIn(None if key is None else url_str_to_user_pk(key), found["state"])


def set_account_of_pending_sign_in(request: HttpRequest, pk: int) -> None:
    if pending := request.session.get(LOGIN_SESSION_KEY):
        request.session[LOGIN_SESSION_KEY] = {**pending, "user_pk": str(pk)}


def end_pending_sign_in(request: HttpRequest) -> None:
    request.session.pop(EMAIL_VERIFICATION_CODE_SESSION_KEY, None)
    clear_login(request)


def pending_code(request: HttpRequest) -> dict[str, Any] | None:
    """What is kept of a code that an address waits for, at a sign-in or at a change of the address."""
    found: dict[str, Any] | None = request.session.get(EMAIL_VERIFICATION_CODE_SESSION_KEY)
    return found


def set_pending_code(request: HttpRequest, code: dict[str, Any]) -> None:
    request.session[EMAIL_VERIFICATION_CODE_SESSION_KEY] = code


def end_pending_code(request: HttpRequest) -> None:
    del request.session[EMAIL_VERIFICATION_CODE_SESSION_KEY]


def pending_reset(request: HttpRequest) -> dict[str, Any] | None:
    """What is kept of it; "user_id" is missing if no account has the address."""
    found: dict[str, Any] | None = request.session.get(PASSWORD_RESET_VERIFICATION_SESSION_KEY)
    return found


def set_pending_reset(request: HttpRequest, reset: dict[str, Any]) -> None:
    request.session[PASSWORD_RESET_VERIFICATION_SESSION_KEY] = reset


def end_pending_reset(request: HttpRequest) -> None:
    del request.session[PASSWORD_RESET_VERIFICATION_SESSION_KEY]


# What was confirmed, and with which code.


def record_password(request: HttpRequest, user: Any) -> None:
    """Notes that this session has just given the password."""
    record_authentication(request, user, method="password", email=user.email)


def record_single_sign_on(request: HttpRequest, user: Any, **facts: Any) -> None:
    """Notes that the provider has just said who this is. `facts` are kept with the note."""
    record_authentication(request, user, method="socialaccount", type="single_sign_on", **facts)


def has_state(request: HttpRequest, state: str) -> bool:
    """Whether this browser has begun a visit to the provider with this state. The state is not used up."""
    return state in get_states(request)


def forget_suspended_form(request: HttpRequest) -> None:
    """Drops a form that waits in the session for a confirmation."""
    request.session.pop(STATE_SESSION_KEY, None)


def keep_code_used(authenticator: Any, code: str, seconds: int) -> None:
    """An authenticator app's code lets nobody in for so long."""
    cache.set(TOTP(authenticator)._get_used_cache_key(code), "y", seconds)


# Addresses


def drop_addresses_of_passkeys() -> None:
    """Takes allauth's addresses of a passkey away, which contain the primary key; accounts/urls.py has others.

    A pattern before theirs would answer first, but Django would still make links from theirs.
    """
    passkeys.urlpatterns[:] = [entry for entry in passkeys.urlpatterns if "<int:pk>" not in str(entry.pattern)]


def drop_addresses_of_social_accounts() -> None:
    """Takes the pages of allauth's `socialaccount` away; accounts/urls.py has ours."""
    theirs = ("3rdparty/", "social/")
    allauth_urls.urlpatterns[:] = [x for x in allauth_urls.urlpatterns if not str(x.pattern).startswith(theirs)]
