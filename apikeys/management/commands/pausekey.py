from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from apikeys.keys.end_limits import read_exact
from apikeys.keys.pausing import pause_key
from apikeys.lifetimes.pauses import LENGTHS
from apikeys.management.key_commands import KeyStateCommand
from apikeys.models import ApiKey
from common.installation import MANAGE
from common.instants import in_words
from projects.management.operator_command import Answer


class Command(KeyStateCommand):
    help = "Pause an API key: requests using it are rejected until it is re-enabled, or until a time."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        end = parser.add_mutually_exclusive_group()
        end.add_argument("--for", dest="length", choices=LENGTHS, help="The key re-enables itself after this time.")
        end.add_argument(
            "--until", metavar="TIME", help="The key re-enables itself then: 2027-02-26T09:30Z or with an offset."
        )
        parser.add_argument("--note", default="", help="Why; only members of the project see it.")

    def answer(self, **options: Any) -> Answer:
        self.options = options
        try:
            return super().answer(**options)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error

    def change(self, key: ApiKey) -> bool:
        until = None
        if self.options["length"]:
            until = timezone.now() + LENGTHS[self.options["length"]][0]
        elif self.options["until"] is not None:
            until = read_exact(self.options["until"])
        changed = pause_key(key=key, by=None, until=until, note=self.options["note"])
        now = f" until {in_words(key.resumes_at)}" if key.resumes_at else ""
        self.done = f"{{key}} is paused{now}: requests using it are now rejected. Undo with: {MANAGE} resumekey {{id}}"
        self.unchanged = f"{{key}} was paused already{now and f',{now}'}."
        if not changed and (why := _why_not(key, until)):
            raise CommandError(f"{key.name} ({key.public_id}) {why}")
        return changed


def _why_not(key: ApiKey, until: datetime | None) -> str:
    """Why the key is not paused until then; "" if it is."""
    if not key.is_paused and key.is_expired:
        return (
            "has expired and was not paused: requests using it are rejected already. To pause it, first "
            f"change its expiry with: {MANAGE} editkey {key.public_id} --expires WHEN"
        )
    if not key.is_paused:
        return "was changed in the meantime. Nothing was done. Run the command again."
    if key.resumes_at == until:
        return ""
    again = f"re-enable it first with: {MANAGE} resumekey {key.public_id}"
    if key.resumes_at is None:
        return f"is paused already, until someone re-enables it. Nothing was changed. For an end of the pause, {again}"
    ends = (
        f"is paused already, but only until {in_words(key.resumes_at)}. Then it re-enables itself. Nothing was changed."
    )
    return f"{ends} Press Keep paused or Change pause on its page, or {again}"
