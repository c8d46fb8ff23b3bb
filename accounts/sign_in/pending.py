"""Sign-ups, sign-ins, resets and changes of an address that wait for a code.

They end when the account's password or address changes, and when the account is deactivated. Django ends the sessions
of people who are signed in. A person who has not finished signing in may know only the old password, or read only the
old address.
"""

from typing import Any

from allauth.account.signals import password_reset
from allauth.account.stages import LoginStage
from django.contrib import messages
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from accounts.allauth_internals import (
    end_pending_code,
    end_pending_reset,
    end_pending_sign_in,
    pending_code,
    pending_reset,
    pending_sign_in,
    set_pending_code,
    set_pending_reset,
)
from accounts.models import User
from accounts.sign_in.nobody import NOBODY, look_up_nobody

# A digest of the account's password, as Django keeps it in the session of a signed-in person; and the address.
HASH, ADDRESS = "session_auth_hash", "account_address"
ENDED = "This account was changed in the meantime. Start again."


def _as_it_is(user: User) -> dict[str, str]:
    return {HASH: user.get_session_auth_hash(), ADDRESS: user.email}


class RememberAccount(LoginStage):  # type: ignore[misc]  # allauth ships no types
    """The first stage of each sign-in. It asks nothing."""

    key = "remember_account"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        if self.login.user is not None:
            self.login.state.update(_as_it_is(self.login.user))
        return None, True

    def is_resumable(self, request: HttpRequest) -> bool:
        """No sign-in waits at this stage."""
        return False


def remember_at_reset(request: HttpRequest, user: User) -> None:
    """Remembers the account for a reset, too."""
    set_pending_reset(request, {**(pending_reset(request) or {}), **_as_it_is(user)})


def remember_at_code(request: HttpRequest) -> None:
    """The same for a code that a page of a signed-in person has just sent to an address."""
    user, code = request.user, pending_code(request)
    # There is no "user_id" if another account has the address. The work is then the same.
    if code and HASH not in code and user.is_authenticated and code.get("user_id", str(user.pk)) == str(user.pk):
        set_pending_code(request, {**code, **_as_it_is(user)})


def end_if_account_changed(request: HttpRequest) -> None:
    """Ends what waits in this browser if the account has changed since."""
    sign_in = pending_sign_in(request)
    if sign_in and sign_in.user_pk is not None and _has_changed(sign_in.user_pk, sign_in.state):
        end_pending_sign_in(request)
        messages.warning(request, ENDED)
    reset = pending_reset(request)
    if reset and _has_changed(reset.get("user_id", NOBODY), reset):
        end_pending_reset(request)
        messages.warning(request, ENDED)
    code = pending_code(request)
    if code and HASH in code and not (request.user.is_authenticated and _is_same(request.user, code)):
        end_pending_code(request)
        messages.warning(request, ENDED)


def _has_changed(key: Any, state: dict[str, Any]) -> bool:
    if key == NOBODY:
        _is_same(look_up_nobody(), state)  # because the digest takes time (accounts/sign_in/nobody.py)
        return False
    user = User.objects.filter(pk=key).first()
    return user is not None and not _is_same(user, state)


def _is_same(user: User, state: dict[str, Any]) -> bool:
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return user.is_active and state.get(HASH) in hashes and state.get(ADDRESS) == user.email


@receiver(password_reset)
def a_reset_ends_the_sign_up_before_it(request: HttpRequest, **kwargs: object) -> None:
    """A person who signs up again with a taken address is told to reset the password. "Sign in" must not lead to the
    code's page then.
    """
    if pending_sign_in(request):
        end_pending_sign_in(request)
