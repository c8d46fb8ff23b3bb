import os
from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from accounts.models import User
from common.installation import MANAGE


class Command(createsuperuser.Command):
    """Django's own command accepts any password from the environment. Here the rules of sign-up hold too."""

    def handle(self, *args: Any, **options: Any) -> None:
        password = os.environ.get("DJANGO_SUPERUSER_PASSWORD")
        if not options["interactive"] and password is not None:
            address = options["email"] or os.environ.get("DJANGO_SUPERUSER_EMAIL", "")
            try:
                validate_password(password, User(email=address))
            except ValidationError as error:
                raise CommandError(" ".join(["DJANGO_SUPERUSER_PASSWORD:", *error.messages])) from None
        if options["interactive"] and not self.stdin.isatty():
            # Django's own words go to the standard output, and the exit code is that of success.
            raise CommandError(
                "This command asks for a password, and there is no terminal to ask in. Nothing was changed. Without "
                f"one, set DJANGO_SUPERUSER_PASSWORD and run: {MANAGE} createsuperuser --no-input --email EMAIL"
            )
        super().handle(*args, **options)
