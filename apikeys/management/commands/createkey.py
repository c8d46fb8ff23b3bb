from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apikeys.keys.end_limits import WHEN, read_expires
from apikeys.keys.services import create_key
from apikeys.management.key_commands import facts, find_creator
from apikeys.models import ApiKey
from common.instants import expires_on
from common.key_ring import VaultUnavailable
from projects.locks import ProjectGone
from projects.management.operator_command import Answer, OperatorCommand, find_project, named_user


class Command(OperatorCommand):
    help = "Create an API key and print its secret, once."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project_id", help="The project's id, prj_…")
        parser.add_argument("--name", required=True, help='What the key is for: "Production server"')
        parser.add_argument(
            "--by",
            metavar="EMAIL",
            help="The user who creates the key and is responsible for it: email or id (default: the project's first "
            "owner).",
        )

        parser.add_argument(
            "--expires", metavar="WHEN", default="never", help=f"When the key expires (default: never): {WHEN}."
        )

    @sensitive_variables()
    def answer(self, **options: Any) -> Answer:
        project = find_project(options["project_id"])
        by = find_creator(project, options["by"])
        try:
            end = read_expires(options["expires"])
            key, secret = create_key(project=project, name=options["name"], by=by, expires_at=end)
        except ProjectGone as error:
            raise CommandError(f"{project.public_id} was deleted in the meantime.") from error
        except VaultUnavailable as error:
            raise CommandError(f"No key can be made: {error} Set it as docs/running.md says.") from error
        return Answer(
            facts(key) | {"secret": secret},
            f"Created {key.name} ({key.public_id}) in {project.name}. {named_user(by)} is responsible for it.\n"
            f"{_words_of_end(key)}"
            f"Its secret:\n\n    {secret}\n\n"
            "Keep it in an environment variable or a secret manager, out of source control:\n"
            f"    export {settings.BRAND.key_variable}=<the secret>",
        )


def _words_of_end(key: ApiKey) -> str:
    return f"{expires_on(key.expires_at, timezone.now())}.\n" if key.expires_at else ""
