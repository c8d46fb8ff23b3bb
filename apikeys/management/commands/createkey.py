from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apikeys.bounds.restrictions import UNRESTRICTED
from apikeys.keys.end_limits import WHEN, read_expires
from apikeys.keys.services import create_key
from apikeys.management.bound_options import add_restrictions, read_restrictions
from apikeys.management.key_commands import facts, find_creator, may_in_words
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
        add_restrictions(parser)

    @sensitive_variables()
    def answer(self, **options: Any) -> Answer:
        project = find_project(options["project_id"])
        by = find_creator(project, options["by"])
        try:
            end, bounds = read_expires(options["expires"]), read_restrictions(options, UNRESTRICTED)
            key, secret = create_key(project=project, name=options["name"], by=by, expires_at=end, restrictions=bounds)
        except ProjectGone as error:
            raise CommandError(f"{project.public_id} was deleted in the meantime.") from error
        except VaultUnavailable as error:
            raise CommandError(f"No key can be made: {error} Set it as docs/settings.md says.") from error
        return Answer(
            facts(key) | {"secret": secret},
            f"Created {key.name} ({key.public_id}) in {project.name}. {named_user(by)} is responsible for it.\n"
            f"{_words_of_end(key)}{_words_of_restrictions(key)}"
            f"Its secret:\n\n    {secret}\n\n"
            "Keep it in an environment variable or a secret manager, out of source control:\n"
            f"    export {settings.BRAND.key_variable}=<the secret>",
        )


def _words_of_end(key: ApiKey) -> str:
    return f"{expires_on(key.expires_at, timezone.now())}.\n" if key.expires_at else ""


def _words_of_restrictions(key: ApiKey) -> str:
    return f"It is restricted: {may_in_words(key)}.\n" if key.restrictions else ""
