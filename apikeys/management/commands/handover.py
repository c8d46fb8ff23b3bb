from typing import Any

from django.core.management.base import CommandError, CommandParser

from apikeys.hand_over.services import hand_over
from apikeys.keys.key_errors import KeyGone
from apikeys.management.key_commands import ChangeCommand, facts, find_key
from projects.locks import ProjectGone
from projects.management.operator_command import Answer, find_user, named_user


class Command(ChangeCommand):
    help = (
        "Make a member responsible for an API key, at once: it works in their name from then on. Owners get an email."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("key_id", help="The key's id, key_…; listkeys prints it.")
        parser.add_argument(
            "--to", metavar="EMAIL", required=True, help="An active member who may manage keys: email or id."
        )

    def answer(self, **options: Any) -> Answer:
        key, to = find_key(options["key_id"]), find_user(options["to"])
        former = key.responsible
        try:
            changed = hand_over(key=key, to=to, by=None)
        except (KeyGone, ProjectGone) as error:
            raise CommandError(
                f"{key.name} ({key.public_id}) was deleted for good. It cannot be handed over."
            ) from error
        now = f"{named_user(to)} is {'now' if changed else 'already'} responsible for {key.name} ({key.public_id})."
        text = f"{now} Until now it was {named_user(former)}, who may know the secret." if changed else now
        return Answer(facts(key) | {"changed": changed}, text)
