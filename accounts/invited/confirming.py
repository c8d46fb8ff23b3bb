"""Accounts whose address is confirmed because their person has opened a mailed invitation."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator

from accounts.models import User
from accounts.sessions.session_list import end_sessions
from common.security_log import Event, record_on_commit


def is_confirmed(user: User) -> bool:
    return bool(EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists())


def confirm_and_clear(user: User, *, session: str | None) -> None:
    """Confirms the address of an account, and takes away what could let another person in.

    Somebody else may have registered the address in advance, and may know the password, have a session or a second
    factor. `session` is the id of the session that stays. Called in a transaction that has locked the account.
    """
    user.set_unusable_password()
    User.objects.filter(pk=user.pk).update(password=user.password)
    for factor in Authenticator.objects.filter(user=user):
        factor.delete()
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    end_sessions(user, but=session)
    record_on_commit(Event.PASSWORD_CHANGED, account=user)
    record_on_commit(Event.EMAIL_CONFIRMED, account=user)
