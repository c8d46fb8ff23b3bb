"""Who may get an account: SIGN_UP and SIGN_UP_DOMAINS.

The answers depend on the address, the settings and the invitations alone. They never depend on whether an account has
the address, so that they show nobody which addresses have one.
"""

from typing import Any, NamedTuple

from django.conf import settings

from accounts.models import User
from accounts.signals import invitation_asked
from accounts.ways import has_passwords

OPEN, INVITED, CLOSED = WAYS = ("open", "invited", "closed")

_ASK_OWNER = "Ask an owner of the project to invite you."
_ASK_ADMINISTRATOR = "Ask an administrator of this server for an account."


class SignUpPage(NamedTuple):
    """What the pages say. `is_linked`: whether other pages lead to it. `has_form`: whether somebody may use it."""

    is_linked: bool
    has_form: bool
    title: str
    sentence: str


def refusal(email: str, *, invited: bool = False) -> str | None:
    """Why a new account may not get this address now, in words; None if it may.

    `email` is in canonical form. `invited`: the caller knows of an invitation that is being accepted.
    """
    if refused := domain_refusal(email):
        return refused
    if settings.SIGN_UP == CLOSED:
        return f"Nobody can create an account here. {_ASK_ADMINISTRATOR}"
    if settings.SIGN_UP == INVITED and not (invited or _is_invited(email)):
        return f"This address has not been invited, or the invitation has expired. {_ASK_OWNER}"
    return None


def domain_refusal(email: str) -> str | None:
    """Why no account may have this address, in words: of new accounts, of invitations and of changed addresses.

    Accounts that have another address already keep it. SIGN_UP_DOMAINS does not include names below a domain.
    """
    domains = settings.SIGN_UP_DOMAINS
    if not domains or email.rpartition("@")[2] in domains:
        return None
    return f"Use an address of {_one_of(domains)}. Others are not allowed on this server."


def page() -> SignUpPage:
    if settings.SIGN_UP == CLOSED:
        return SignUpPage(False, False, "Sign-up is closed", f"Nobody can create an account here. {_ASK_ADMINISTRATOR}")
    if settings.SIGN_UP == INVITED:
        sentence = (
            "Only people who were invited can create an account here. Use the address to which the invitation was "
            f"sent. No invitation? {_ASK_OWNER}"
        )
        return SignUpPage(False, True, "Sign-up is by invitation", sentence)
    sentence = "An email and a password are all it takes. Your first project and its API key come next."
    if settings.SIGN_UP_DOMAINS:
        sentence += f" The email has to be an address of {_one_of(settings.SIGN_UP_DOMAINS)}."
    return SignUpPage(has_passwords(), True, "Create an account", sentence)


def _is_invited(email: str) -> bool:
    answers: list[tuple[Any, Any]] = invitation_asked.send(sender=User, email=email)
    return any(answer for _, answer in answers)


def _one_of(domains: list[str]) -> str:
    *others, last = domains
    return f"{', '.join(others)} or {last}" if others else last
