from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
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
        user, is_new = prepare_account(email=email, name=name, is_confirmed=is_confirmed)
        data = {"id": user.public_id, "email": user.email, "name": user.name, "created": is_new}
        begun = f"{'Created' if is_new else 'Found'} the account {named_user(user)}.\n"
        if not has_passwords():
            address = f"{settings.BASE_URL}{reverse('account_login')}"
            trust = "" if settings.OIDC_TRUST_EMAIL else "Single sign-on opens it only if OIDC_TRUST_EMAIL is on.\n"
            words = f"{begun}{trust}The person signs in at: {address}"
            return Answer({**data, "link": address, "expires_at": None}, words)
        link, ends = link_for(user)
        return Answer({**data, "link": link, "expires_at": ends.isoformat()}, f"{begun}{_words(user, link, ends)}")


def _words(user: User, link: str, ends: Any) -> str:
    is_confirmed = EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists()
    address = "is confirmed" if is_confirmed else "is not confirmed: opening the link does not confirm it"
    return (
        f"Its address {address}.\n"
        f"Give the person this link. It sets the password, once, until {ends:%d %B %Y, %H:%M} UTC:\n{link}"
    )
