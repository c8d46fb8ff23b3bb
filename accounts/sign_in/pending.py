"""Sign-ups, sign-ins and resets that wait for a code. They end when the account's password changes.

Django ends the sessions of people who are signed in. A person who has not finished signing in may know only the old
password.
"""

from typing import Any

from allauth.account.signals import password_reset
from allauth.account.stages import LoginStage
from django.contrib import messages
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from accounts.allauth_internals import (
    end_pending_reset,
    end_pending_sign_in,
    pending_reset,
    pending_sign_in,
    set_pending_reset,
)
from accounts.models import User
from accounts.sign_in.nobody import NOBODY

# A digest of the account's password, as Django keeps it in the session of a signed-in person.
HASH = "session_auth_hash"
ENDED = "The password of this account was changed meanwhile. Start again."


class RememberPassword(LoginStage):  # type: ignore[misc]  # allauth ships no types
    """The first stage of each sign-in. It asks nothing."""

    key = "remember_password"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        if self.login.user is not None:
            self.login.state[HASH] = self.login.user.get_session_auth_hash()
        return None, True

    def is_resumable(self, request: HttpRequest) -> bool:
        """No sign-in waits at this stage."""
        return False


def remember_password(request: HttpRequest, user: User) -> None:
    """Remembers the password for a reset, too."""
    set_pending_reset(request, {**(pending_reset(request) or {}), HASH: user.get_session_auth_hash()})


def end_if_password_changed(request: HttpRequest) -> None:
    """Ends the browser's pending sign-in and reset if the account's password has changed since."""
    sign_in = pending_sign_in(request)
    if sign_in and sign_in.user_pk is not None and _has_another_password(sign_in.user_pk, sign_in.state):
        end_pending_sign_in(request)
        messages.warning(request, ENDED)
    reset = pending_reset(request)
    if reset and _has_another_password(reset.get("user_id", NOBODY), reset):
        end_pending_reset(request)
        messages.warning(request, ENDED)


def _has_another_password(key: Any, state: dict[str, Any]) -> bool:
    user = User.objects.filter(pk=key).first()
    account = user or User()  # also without an account, because the digest takes time (accounts/sign_in/nobody.py)
    today = [account.get_session_auth_hash(), *account.get_session_auth_fallback_hash()]
    return user is not None and state.get(HASH) not in today


@receiver(password_reset)
def a_reset_ends_the_sign_up_before_it(request: HttpRequest, **kwargs: object) -> None:
    """A person who signs up again with a taken address is told to reset the password. "Sign in" must not lead to the
    code's page then.
    """
    if pending_sign_in(request):
        end_pending_sign_in(request)
