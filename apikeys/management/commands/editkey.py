from typing import Any

from django.core.management.base import CommandError, CommandParser

from apikeys.keys.end_limits import WHEN, read_expires
from apikeys.keys.key_errors import KeyGone
from apikeys.lifetimes.ends import Edited, NewEnd, edit_key, end_key
from apikeys.management.key_commands import end_in_words, facts, find_key
from apikeys.models import ApiKey
from projects.locks import ProjectGone
from projects.management.operator_command import Answer, OperatorCommand

NOW = "now"


class Command(OperatorCommand):
    help = "Change an API key's name, or when it expires. An expired key works again once its expiry is changed."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("key_id", help="The key's id, key_…; listkeys prints it.")
        parser.add_argument("--name", help="The key's new name.")
        parser.add_argument("--expires", metavar="WHEN", help=f"When the key expires: {WHEN}; or now.")

    def answer(self, **options: Any) -> Answer:
        key = find_key(options["key_id"])
        if options["name"] is None and options["expires"] is None:
            raise CommandError("Nothing to change. Give --name NAME, --expires WHEN, or both.")
        try:
            edited = _edit(key, options["name"], options["expires"])
        except (KeyGone, ProjectGone) as error:
            raise CommandError(f"{key.name} ({key.public_id}) was deleted for good and stays so.") from error
        return Answer(facts(key) | {"changed": any(edited)}, _words(key, edited))


def _edit(key: ApiKey, name: str | None, expires: str | None) -> Edited:
    # An operator needs no recent sign-in.
    if expires != NOW:
        end = None if expires is None else NewEnd(read_expires(expires))
        return edit_key(key=key, by=None, name=name, end=end, may_revive=True)
    renamed = edit_key(key=key, by=None, name=name).name if name is not None else False
    return Edited(renamed, end_key(key=key, by=None))


def _words(key: ApiKey, edited: Edited) -> str:
    end = end_in_words(key) or "never expires"
    if not any(edited):
        return f"{key.name} ({key.public_id}) was so already: it {end}."
    rejected = " Requests using it are now rejected." if edited.end and key.is_expired else ""
    return f"{key.name} ({key.public_id}) is changed: it {end}.{rejected}"
