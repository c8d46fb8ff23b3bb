from typing import Any

from django.core.management.base import CommandError, CommandParser

from apikeys.bounds.restrictions import Unreadable
from apikeys.bounds.services import RestrictionsChanged
from apikeys.keys.end_limits import WHEN, read_expires
from apikeys.keys.key_errors import KeyGone
from apikeys.lifetimes.ends import Edited, NewEnd, edit_key, end_key
from apikeys.management.bound_options import UNREADABLE, add_restrictions, are_given, read_restrictions
from apikeys.management.key_commands import ChangeCommand, end_in_words, facts, find_key, may_in_words
from apikeys.models import ApiKey
from projects.locks import ProjectGone
from projects.management.operator_command import Answer

NOW = "now"


class Command(ChangeCommand):
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
            edited = _edit(key, options)
        except (KeyGone, ProjectGone) as error:
            raise CommandError(f"{key.name} ({key.public_id}) was deleted for good and stays so.") from error
        except Unreadable as error:
            raise CommandError(UNREADABLE) from error
        except RestrictionsChanged as error:
            raise CommandError("Someone changed the key meanwhile. Nothing was done. Run the command again.") from error
        return Answer(facts(key) | {"changed": any(edited)}, _words(key, edited))


def _edit(key: ApiKey, options: dict[str, Any]) -> Edited:
    """What the options leave out stays, so nobody else's change of it may come in between."""
    name, expires = options["name"], options["expires"]
    had = key.bounds if are_given(options) else None
    chosen = read_restrictions(options, had) if had is not None else None
    changes: dict[str, Any] = {"name": name, "restrictions": chosen, "seen_restrictions": had}
    # An operator needs no recent sign-in.
    if expires != NOW:
        end = None if expires is None else NewEnd(read_expires(expires))
        return edit_key(key=key, by=None, **changes, end=end, may_revive=True)
    edited = edit_key(key=key, by=None, **changes)
    return edited._replace(end=end_key(key=key, by=None))


def _words(key: ApiKey, edited: Edited) -> str:
    end = end_in_words(key) or "never expires"
    may = f". It is restricted: {restrictions}" if (restrictions := may_in_words(key)) else ", and may do everything"
    if not any(edited):
        return f"{key.name} ({key.public_id}) was so already: it {end}{may}."
    rejected = " Requests using it are now rejected." if edited.end and key.is_expired else ""
    return f"{key.name} ({key.public_id}) is changed: it {end}{may}.{rejected}"
