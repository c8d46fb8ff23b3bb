from typing import Any

from django.core.management.base import CommandError, CommandParser

from apikeys import audit_kinds
from apikeys.keys.pausing import resume_key
from apikeys.lifetimes.pauses import what_requests_are
from apikeys.management.key_commands import KeyStateCommand
from apikeys.models import ApiKey
from common.installation import MANAGE
from projects.management.operator_command import Answer
from projects.models import Membership


class Command(KeyStateCommand):
    help = "Re-enable a paused API key: requests using it are allowed again."
    unchanged = "{key} was active already."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--although-reported",
            action="store_true",
            help="Also if the key was reported as leaked: nobody else has its secret. All owners get an email.",
        )

    def answer(self, **options: Any) -> Answer:
        self.although_reported = options["although_reported"]
        self.told: list[str] | None = None
        data, text, failure = super().answer(**options)
        if self.told is not None:
            people = ", ".join(self.told) or "nobody: the project has no active owner"
            text = f"{text}\nIt was reported as leaked. Emailed: {people}."
        return Answer(data | {"told": self.told or []}, text, failure)

    def change(self, key: ApiKey) -> bool:
        changed = resume_key(key=key, by=None, although_reported=self.although_reported)
        if key.is_reported:
            raise CommandError(
                f"{key.name} ({key.public_id}) was reported as leaked and stays paused. Make a new key instead. If you "
                f"are sure that nobody else has its secret: {MANAGE} resumekey {key.public_id} --although-reported"
            )
        if not changed and not key.standing.lets_in:
            raise CommandError(f"{key.name} ({key.public_id}) is not paused. Nothing was changed. {_rejected(key)}")
        is_so = "is active: requests using it are allowed again." if key.standing.lets_in else "is not paused any more."
        self.done = f"{{key}} {is_so}" + ("" if key.standing.lets_in else f" {_rejected(key)}")
        if changed and key.events.latest("at", "pk").kind == audit_kinds.RESUMED_REPORTED.code:
            owners = Membership.objects.mailed().filter(project=key.project_id).order_by("pk")
            self.told = list(owners.values_list("user__email", flat=True))
        return changed


def _rejected(key: ApiKey) -> str:
    """That the key's requests are rejected nonetheless, and what to do."""
    advice = key.standing.advice
    if key.is_expired:
        advice = f"Change its expiry with: {MANAGE} editkey {key.public_id} --expires WHEN"
    return f"Requests using it are {what_requests_are(key)}. {advice}".strip()
