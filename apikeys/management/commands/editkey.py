from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from apikeys.bounds.restrictions import Unreadable
from apikeys.bounds.services import RestrictionsChanged, restrict_key
from apikeys.keys.end_limits import WHEN, read_expires
from apikeys.keys.key_errors import KeyGone
from apikeys.lifetimes.ends import Edited, NewEnd, edit_key, end_key
from apikeys.management.bound_options import UNREADABLE, add_restrictions, are_given, read_restrictions
from apikeys.management.key_commands import end_in_words, facts, find_key, may_in_words
from apikeys.models import ApiKey
from projects.locks import ProjectGone
from projects.management.operator_command import Answer, OperatorCommand

NOW = "now"


class Command(OperatorCommand):
    help = (
        "Change an API key's name, when it expires, or what it may do. An expired key works again once its expiry is "
        "changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("key_id", help="The key's id, key_…; listkeys prints it.")
        parser.add_argument("--name", help="The key's new name.")
        parser.add_argument("--expires", metavar="WHEN", help=f"When the key expires: {WHEN}; or now.")
        add_restrictions(parser)

    def answer(self, **options: Any) -> Answer:
        key = find_key(options["key_id"])
        if options["name"] is None and options["expires"] is None and not are_given(options):
            raise CommandError(
                "Nothing to change. Give --name NAME, --expires WHEN, or what the key may do, such as --read-only."
            )
        try:
            with transaction.atomic():
                edited = _edit(key, options["name"], options["expires"])
                restricted = are_given(options) and _restrict(key, options)
        except (KeyGone, ProjectGone) as error:
            raise CommandError(f"{key.name} ({key.public_id}) was deleted for good and stays so.") from error
        return Answer(facts(key) | {"changed": any(edited) or restricted}, _words(key, edited, restricted))


def _edit(key: ApiKey, name: str | None, expires: str | None) -> Edited:
    # An operator needs no recent sign-in.
    if expires != NOW:
        end = None if expires is None else NewEnd(read_expires(expires))
        return edit_key(key=key, by=None, name=name, end=end, may_revive=True)
    renamed = edit_key(key=key, by=None, name=name).name if name is not None else False
    return Edited(renamed, end_key(key=key, by=None))


def _restrict(key: ApiKey, options: dict[str, Any]) -> bool:
    """What the options leave out stays, so nobody else's change may come in between."""
    try:
        had = key.bounds
        return restrict_key(key=key, restrictions=read_restrictions(options, had), by=None, seen=had)
    except Unreadable as error:
        raise CommandError(UNREADABLE) from error
    except RestrictionsChanged as error:
        raise CommandError(
            "Someone changed the key in the meantime. Nothing was done. Run the command again."
        ) from error


def _words(key: ApiKey, edited: Edited, restricted: bool) -> str:
    end = end_in_words(key) or "never expires"
    may = f". It is restricted: {restrictions}" if (restrictions := may_in_words(key)) else ", and may do everything"
    if not any(edited) and not restricted:
        return f"{key.name} ({key.public_id}) was so already: it {end}{may}."
    rejected = " Requests using it are now rejected." if edited.end and key.is_expired else ""
    return f"{key.name} ({key.public_id}) is changed: it {end}{may}.{rejected}"
