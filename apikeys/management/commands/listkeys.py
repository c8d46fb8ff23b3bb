from typing import Any

from django.core.management.base import CommandParser
from django.utils.timesince import timesince

from apikeys.management.key_commands import end_in_words, facts, may_in_words
from apikeys.models import ApiKey
from apikeys.standing import STANDINGS
from common.installation import MANAGE
from projects.management.operator_command import Answer, OperatorCommand, find_project


class Command(OperatorCommand):
    help = "List a project's API keys, newest first, without their secrets."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project_id", help="The project's id, prj_…")
        parser.add_argument("--all", action="store_true", help="Deleted keys too.")

    def answer(self, **options: Any) -> Answer:
        project = find_project(options["project_id"])
        keys = project.api_keys.all() if options["all"] else project.api_keys.alive()
        keys = keys.select_related("project", "responsible", "creator")
        if not keys:
            return Answer(
                {"keys": []},
                f"{project.name} has no keys. Make one with: {MANAGE} createkey {project.public_id} --name NAME",
            )
        return Answer({"keys": [facts(key) for key in keys]}, "\n".join(_line(key) for key in keys))


_WIDEST = max(len(standing.label) for standing in STANDINGS)


def _line(key: ApiKey) -> str:
    used = f"used {timesince(key.last_used_at, depth=1)} ago" if key.last_used_at else "never used"
    standings = ", ".join(standing.label for standing in key.standings)
    end = "" if key.is_deleted else end_in_words(key)
    who = f"responsible: {key.responsible.email}"
    told = ", ".join(filter(None, (used, who, end, may_in_words(key))))
    return f"{key.public_id}  {standings:<{_WIDEST}}  {key.mask}  {key.name}  ({told})"
