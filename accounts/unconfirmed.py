"""Accounts whose address nobody has confirmed: somebody else may have registered the address in advance."""

from collections.abc import Collection

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount

from accounts.models import User
from accounts.sessions.session_list import end_sessions
from common.security_log import Event, record_on_commit


def is_confirmed(user: User) -> bool:
    return bool(EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists())


def confirm_and_clear(user: User, *, session: str | None = None, subjects: Collection[str] = ()) -> None:
    """Confirms the address for a person who has proven that they read its emails.

    Takes away everything that could let in a person who registered the address in advance: the password, second
    factors, connections and sessions, except the session with the id `session` and the connections of `subjects`, which
    opened it. Called in a transaction that has locked the account.
    """
    user.set_unusable_password()
    User.objects.filter(pk=user.pk).update(password=user.password)
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    for factor in Authenticator.objects.filter(user=user):
        factor.delete()
    SocialAccount.objects.filter(user=user).exclude(uid__in=subjects).delete()
    end_sessions(user, but=session)
    record_on_commit(Event.ACCOUNT_CLEARED, account=user)
