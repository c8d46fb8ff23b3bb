"""What the operator's commands have in common: one JSON object or plain words, and errors that name the next step."""

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from accounts.models import User
from common.gone import Gone
from common.installation import MANAGE
from projects.models import Project

_PROJECT_ID = re.compile(r"prj_[0-9A-Za-z]{16}")
_NEGATIVE = re.compile(r"-\d+(d|/\w*)?$")
_USER_ID = re.compile(r"usr_[0-9A-Za-z]{16}")


class Answer(NamedTuple):
    """What --json prints, what is printed without it, and after either the error that the command then ends with."""

    data: dict[str, Any]
    text: str
    failure: str = ""


class OperatorCommand(BaseCommand):
    """A command that answers with an object. Subclasses implement `answer`, and may say in what context it is made."""

    answering: Callable[[], AbstractContextManager[None]] = nullcontext

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object and nothing else.")

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """A value such as -5d or -1/day is rejected by the command, with the way to write it; argparse takes it for an
        option.
        """
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser._negative_number_matcher = _NEGATIVE
        return parser

    def answer(self, **options: Any) -> Answer:
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with self.answering():
                answer = self.answer(**options)
        except CommandError as error:
            raise CommandError(printable(str(error)), returncode=error.returncode) from error
        except ValidationError as error:
            raise CommandError(printable(" ".join(error.messages))) from error
        except Gone as error:
            raise CommandError(
                "What this command was to change was deleted or changed in the meantime. Nothing was changed."
            ) from error
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be asked: {error}. "
                f"Check DATABASE_URL and DATA_DIR, then prepare it with: {MANAGE} migrate"
            ) from error
        self.stdout.write(json.dumps(answer.data) if options["json"] else answer.text)
        if answer.failure:
            raise CommandError(answer.failure)


def printable(text: str) -> str:
    """With an escape for each character that a terminal would obey, or not show: what was typed may hold some."""
    return "".join(one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in text)


def find_project(project_id: str) -> Project:
    """The living project. Raises CommandError if there is none."""
    project = None
    if _PROJECT_ID.fullmatch(project_id):
        project = Project.objects.alive().filter(public_id=project_id).first()
    if project is None:
        raise CommandError(
            f"No project {project_id!r}. Its settings page and the admin (/admin/projects/project/) show its id; "
            f"make a new project with: {MANAGE} createproject NAME --owner EMAIL"
        )
    return project


def find_user(wanted: str, *, also_inactive: bool = False) -> User:
    """The active user of an email address or an id. Raises CommandError if there is none."""
    by_id = _USER_ID.fullmatch(wanted)
    user = User.objects.filter(public_id=wanted).first() if by_id else User.objects.having(wanted)
    if user is None or not (user.is_active or also_inactive):
        raise CommandError(
            f"No {'' if also_inactive else 'active '}user {wanted!r}. "
            f"Make an account with: {MANAGE} createuser EMAIL, or an admin with: {MANAGE} createsuperuser"
        )
    return user


def refuse_deleted(user: User) -> None:
    """Raises CommandError."""
    if user.deleted_at:
        raise CommandError(
            f"The account {user.public_id} was deleted by its person and cannot be activated again. "
            "Choose another account."
        )


def named_user(user: User) -> str:
    """Exactly whom a command means: two addresses may look alike."""
    return f"{user.email} ({user.public_id})"
