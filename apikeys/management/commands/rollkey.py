from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from apikeys.keys.key_errors import KeyGone
from apikeys.lifetimes.rolling import Overlap, end_of_old_key, roll_key
from apikeys.management.key_commands import ChangeCommand, find_creator, find_key
from apikeys.models import ApiKey
from common.installation import MANAGE
from common.key_ring import VaultUnavailable
from projects.locks import ProjectGone
from projects.management.operator_command import Answer, named_user
from projects.permissions import Permission


class Command(ChangeCommand):
    help = "Replace an API key by a new one without downtime, and print the new key's secret, once."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("key_id", help="The old key's id, key_…; listkeys prints it.")
        parser.add_argument(
            "--overlap",
            choices=[overlap.value for overlap in Overlap],
            default=Overlap.DAY.value,
            help="When the old key expires: 0 for now, quiet for when no program uses it any more (default: 24h).",
        )
        parser.add_argument(
            "--by",
            metavar="EMAIL",
            help="The user who is responsible for the new key: email or id (default: the person responsible for the "
            "old key, or the project's first owner if that person may not create keys any more).",
        )

    @sensitive_variables()
    def answer(self, **options: Any) -> Answer:
        key, overlap = find_key(options["key_id"]), Overlap(options["overlap"])
        by = _responsible(key, options["by"])
        try:
            new, secret = roll_key(key=key, overlap=overlap, by=by)
        except (KeyGone, ProjectGone) as error:
            raise CommandError(
                f"{key.name} ({key.public_id}) was deleted for good. Make a new key with: "
                f"{MANAGE} createkey {key.project.public_id} --name NAME"
            ) from error
        except VaultUnavailable as error:
            raise CommandError(f"No key can be made: {error} Set it as docs/settings.md says.") from error
        return Answer(
            {
                "id": new.public_id,
                "secret": secret,
                "replaces": key.public_id,
                "old_expires_at": key.expires_at and key.expires_at.isoformat(),
            },
            f"Created {new.name} ({new.public_id}) in {key.project.name}. {named_user(by)} is responsible for it.\n"
            f"Its secret:\n\n    {secret}\n\n"
            "Keep it in an environment variable or a secret manager, out of source control:\n"
            f"    export {settings.BRAND.key_variable}=<the secret>\n\n"
            f"The old key, {key.name} ({key.public_id}), {end_of_old_key(key)}.",
        )


def _responsible(key: ApiKey, email: str | None) -> User:
    may = key.project.memberships.that(Permission.MANAGE_KEYS).filter(user=key.responsible, user__is_active=True)
    return key.responsible if email is None and may.exists() else find_creator(key.project, email)
