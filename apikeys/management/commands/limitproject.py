from typing import Any

from django.core.management.base import CommandError, CommandParser

from apikeys.bounds import in_words
from apikeys.bounds.restrictions import Limits, Unreadable, read_limits
from apikeys.bounds.services import RestrictionsChanged, limit_project
from apikeys.management import bound_options
from apikeys.management.key_commands import ChangeCommand
from projects.locks import ProjectGone
from projects.management.operator_command import Answer, find_project


class Command(ChangeCommand):
    help = "Limit the requests of all API keys of a project together. Its owners get an email."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project_id", help="The project's id, prj_…")
        bound_options.add_limits(parser)

    def answer(self, **options: Any) -> Answer:
        project = find_project(options["project_id"])
        if not any(options[name] is not None for name in ("rate", "quota")) and not (
            options["no_rate"] or options["no_quota"]
        ):
            raise CommandError(
                "Nothing to change. Give --rate 100/minute, --quota 10000/month, --no-rate or --no-quota."
            )
        try:
            had: Limits = read_limits(project.limits)
            limits = bound_options.read_limits(options, had)
            changed = limit_project(project=project, limits=limits, by=None, seen=had)
        except Unreadable as error:
            raise CommandError(bound_options.UNREADABLE) from error
        except RestrictionsChanged as error:
            raise CommandError("Someone changed the limits meanwhile. Nothing was done. Run it again.") from error
        except ProjectGone as error:
            raise CommandError(f"{project.public_id} was deleted in the meantime.") from error
        return Answer(
            {"id": project.public_id, **bound_options.facts_of_limits(limits), "changed": changed},
            f"{project.name} {'now has' if changed else 'has already'}: {in_words.limits(limits)}.",
        )
