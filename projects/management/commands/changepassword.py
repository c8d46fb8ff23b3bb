from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.core.management.base import CommandError

from projects.management.operator_command import find_user, named_user, refuse_deleted


class Command(changepassword.Command):
    """Django's own command, with our lookup of the address."""

    help = "Change the password of a user, who is named by email address or id (usr_…)."

    def handle(self, *args: Any, **options: Any) -> str | None:
        user = find_user(options["username"] or "", also_inactive=True)
        refuse_deleted(user)
        self.stdout.write(f"Found {named_user(user)}.")
        try:
            return super().handle(*args, **{**options, "username": user.email})
        except EOFError:
            raise CommandError(
                "Nobody typed a password, so nothing was changed. Run this command in a terminal, or let the person "
                "choose “Forgot your password?” on the sign-in page."
            ) from None
