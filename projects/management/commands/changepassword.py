from typing import Any

from django.contrib.auth.management.commands import changepassword

from projects.management.operator_command import find_user, named_user


class Command(changepassword.Command):
    """Django's own command, with our lookup of the address."""

    help = "Change the password of a user, who is named by email address or id (usr_…)."

    def handle(self, *args: Any, **options: Any) -> str | None:
        user = find_user(options["username"] or "", also_inactive=True)
        self.stdout.write(f"Found {named_user(user)}.")
        return super().handle(*args, **{**options, "username": user.email})
