from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser
from django.urls import reverse

from accounts.models import User
from accounts.sign_up.first_password import link_for, prepare_account
from accounts.ways import has_passwords
from projects.management.operator_command import Answer, OperatorCommand, named_user


class Command(OperatorCommand):
    help = (
        "Prepare an account, and print a link with which its person sets the password. The link works once, for three "
        "days. SIGN_UP and SIGN_UP_DOMAINS do not limit this command."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("email", metavar="EMAIL", help="The person's email address.")
        parser.add_argument("--name", default="", help="What people call the person, at most 64 characters.")
        parser.add_argument(
            "--confirmed", action="store_true", help="You know that the address is the person's: do not ask for a code."
        )

    def answer(self, **options: Any) -> Answer:
        email, name, is_confirmed = options["email"], options["name"], options["confirmed"]
        try:
            user, is_new = prepare_account(email=email, name=name, is_confirmed=is_confirmed)
        except ValidationError as error:
            raise ValidationError([*error.messages, *_advice(error)]) from error
        data = {"id": user.public_id, "email": user.email, "name": user.name, "created": is_new}
        begun = f"{'Created' if is_new else 'Found'} the account {named_user(user)}.\n"
        if not has_passwords():
            address = f"{settings.BASE_URL}{reverse('account_login')}"
            code = "" if settings.OIDC_TRUST_EMAIL else "The first sign-in asks for an emailed code.\n"
            words = f"{begun}{code}The person signs in at: {address}"
            return Answer({**data, "link": address, "expires_at": None}, words)
        link, ends = link_for(user)
        return Answer({**data, "link": link, "expires_at": ends.isoformat()}, f"{begun}{_words(user, link, ends)}")


def _advice(error: ValidationError) -> list[str]:
    """How single sign-on can open an account that is used already."""
    if getattr(error, "code", "") != "unique" or has_passwords() or settings.OIDC_TRUST_EMAIL:
        return []
    words = (
        "If it is not connected with the provider yet, set OIDC_TRUST_EMAIL=true, or set SIGN_IN=password,oidc until "
        "its person has connected it."
    )
    return [words]


def _words(user: User, link: str, ends: Any) -> str:
    is_confirmed = EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists()
    address = "is confirmed" if is_confirmed else "is not confirmed: opening the link does not confirm it"
    return (
        f"Its address {address}.\n"
        f"Give the person this link. It sets the password, once, until {ends:%d %B %Y, %H:%M} UTC:\n{link}"
    )
