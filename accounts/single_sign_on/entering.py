"""Which account an identity opens: the one it is connected with, one that may be connected now, or a new one.

An account that nobody has proven to be theirs belongs to the person who reads the emails of its address. That person
confirms the address by an emailed code, and only then the account is connected.
"""

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.account.utils import perform_login
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from accounts.addresses import canonical
from accounts.models import User
from accounts.sign_up import sign_up_policy
from accounts.sign_up.first_password import is_unused
from accounts.signals import closing_begun
from accounts.single_sign_on import connections
from accounts.single_sign_on.identities import Identity
from accounts.single_sign_on.problems import Problem
from accounts.unconfirmed import confirm_and_clear, is_confirmed, say_what_was_paused
from accounts.ways import has_passwords, is_administrator
from common.client_address import client_address
from common.security_log import Event, record_on_commit


def enter(request: HttpRequest, identity: Identity, back_to: str) -> HttpResponse:
    """Signs the person in, as far as the provider alone may: a second factor of the account is still asked for.

    Raises Problem.
    """
    user = _followed(connections.user_of(identity), identity)
    is_new = is_claim = False
    if user is None:
        address = _address_of(identity)
        holder = User.objects.having(address)
        is_claim = holder is not None and _claim(holder, identity)
        if holder is None:
            user, is_new = _sign_up(address, identity), True
        else:
            user = holder if is_claim else _connect_holder(request, holder, identity)
    if request.user.is_authenticated:
        get_adapter().logout(request)
    connections.record_use(request, user, identity, is_claim=is_claim)
    # For a claim, another confirmed address of the account proves nothing.
    email = user.email if is_claim else None
    answer: HttpResponse = perform_login(request, user, redirect_url=back_to or None, signup=is_new, email=email)
    return answer


def _address_of(identity: Identity) -> str:
    if not identity.address:
        raise _no_account("no_address", f"{settings.OIDC_NAME} did not say which email is yours.")
    try:
        return canonical(identity.address)
    except ValidationError as error:
        words = " ".join(error.messages)
        raise _no_account(
            "address", f"The email that {settings.OIDC_NAME} has for you cannot be used. {words}"
        ) from None


def _no_account(reason: str, text: str) -> Problem:
    return Problem(reason, "No account was created", f"{text} Ask an administrator.")


# An account that waits for its first confirmation


def _followed(user: User | None, identity: Identity) -> User | None:
    """The account of the subject, with the address that the provider names today if nobody ever confirmed another.

    Otherwise an address that was wrong at the first visit would lock the person out, because the code goes there. None
    if another account has today's address: the subject is a stranger then, as before its first visit.
    """
    if user is None or not _may_follow(user) or not identity.address:
        return user
    address = _address_of(identity)
    if address == user.email and not _is_proven(identity):
        return user
    _refuse_unless_allowed(address)
    try:
        with transaction.atomic():
            user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
            if not _may_follow(user):
                return user
            holder = User.objects.having(address)
            if holder is not None and holder.pk != user.pk:
                connections.drop_all_except(user, set())
                return None
            _follow(user, address, identity)
    except IntegrityError:
        raise _just_created() from None
    return user


def _may_follow(user: User) -> bool:
    """Only an account that the provider's word alone has made, and that nobody can use before a code is entered."""
    if settings.ACCOUNT_EMAIL_VERIFICATION != "mandatory" or user.has_usable_password() or is_administrator(user):
        return False
    return user.is_active and not EmailAddress.objects.filter(user=user, verified=True).exists()


def _follow(user: User, address: str, identity: Identity) -> None:
    if address != user.email:
        record_on_commit(Event.EMAIL_CHANGED, account=user)
    user.email = address
    user.save(update_fields=["email"])
    EmailAddress.objects.filter(user=user).delete()
    EmailAddress.objects.create(user=user, email=address, primary=True, verified=_is_proven(identity))


# An account that has the address


def _connect_holder(request: HttpRequest, holder: User, identity: Identity) -> User:
    """The account that has the identity's address, now connected with it.

    Whoever could make the provider name an address would get the account of that address. So the operator has to trust
    the provider's addresses (OIDC_TRUST_EMAIL), and the provider has to have verified this one.
    """
    if not holder.is_active:
        return holder  # the sign-in answers that it is inactive
    if not _is_proven(identity) or is_administrator(holder):
        raise _sign_in_with_both(holder, identity)
    with transaction.atomic():
        closing_begun.send(sender=User, user=holder)
        user = User.objects.select_for_update(no_key=True).get(pk=holder.pk)
        if not user.is_active or user.email != holder.email or is_administrator(user):
            raise Problem("changed_meanwhile", "You were not signed in", "The account was just changed. Try again.")
        if not is_confirmed(user):
            # The provider has verified the address.
            paused = confirm_and_clear(user, address=client_address(request))
            say_what_was_paused(request, paused)
        connections.add(request, user, identity)
    return user


def _claim(holder: User, identity: Identity) -> bool:
    """Whether the account waits for its owner. Its address is then to be confirmed by a code.

    Somebody else may have registered the address in advance, or an operator prepared the account. An administrator has
    a password, and connects the account.
    """
    if not settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED or _is_proven(identity):
        return False
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=holder.pk)
        is_prepared = is_unused(user) and not connections.has_any(user)
        if user.email != holder.email or not user.is_active or is_administrator(user):
            return False
        if is_confirmed(user) and not is_prepared:
            return False
        states = {"verified": False, "primary": True}
        EmailAddress.objects.update_or_create(user=user, email=user.email, defaults=states)
    return True


def _is_proven(identity: Identity) -> bool:
    """Whether the provider's word is enough for the address."""
    return bool(settings.OIDC_TRUST_EMAIL and identity.is_address_verified)


def _sign_in_with_both(holder: User, identity: Identity) -> Problem:
    name = settings.OIDC_NAME
    text = f"An account with your email exists, and it is not connected with {name} yet. {_first_step(identity)}"
    problem = Problem("not_connected", f"Connect {name} first", text)
    problem.event, problem.account, problem.offers_admin = Event.SINGLE_SIGN_ON_REFUSED, holder, True
    return problem


def _first_step(identity: Identity) -> str:
    """Tells an administrator's account from others only to the person of whom the provider says that it is theirs."""
    connect = f"Then choose “Connect {settings.OIDC_NAME}” on your account's page."
    if _is_proven(identity):
        first = "It is an administrator's account, and an email alone never opens one. Sign in with its password."
        return f"{first} {connect}"
    if has_passwords():
        forgotten = "If you do not know it or never had one, choose “Forgot your password?” on the sign-in page."
        return f"Sign in with its password once. {connect} {forgotten}"
    return f"Ask an administrator. If you are one, sign in as an administrator. {connect}"


# A new account


def _sign_up(address: str, identity: Identity) -> User:
    """The new account. Its address is confirmed only if the operator trusts the provider's addresses."""
    _refuse_unless_allowed(address)
    try:
        with transaction.atomic():
            user = User.objects.create_user(address)
            EmailAddress.objects.create(user=user, email=address, primary=True, verified=_is_proven(identity))
            connections.insert(user, identity)
    except IntegrityError:
        # Somebody else took the address or the connection at the same moment: the same person, who clicked twice.
        raise _just_created() from None
    return user


def _refuse_unless_allowed(address: str) -> None:
    if refused := sign_up_policy.refusal(address):
        problem = Problem("not_allowed", "No account was created", refused)
        problem.event = Event.SIGN_UP_REFUSED
        raise problem


def _just_created() -> Problem:
    return Problem("twice", "You were not signed in", "The account was just created. Try again.")
