from typing import Any

from django.core.management.base import CommandParser

from common.plurals import counted
from projects.management.member_commands import facts
from projects.management.operator_command import Answer, OperatorCommand, find_project
from projects.members.member_list import BY_RANK


class Command(OperatorCommand):
    help = "List the members of a project: who, in which role, since when."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project_id", help="The project's id, prj_…")

    def answer(self, **options: Any) -> Answer:
        project = find_project(options["project_id"])
        members = [facts(member) for member in project.memberships.select_related("user").order_by(*BY_RANK)]
        lines = [f"{counted(len(members), 'member')} of {project.name}:"]
        for member in members:
            name = f" ({member['name']})" if member["name"] else ""
            state = "" if member["is_active"] else "  deactivated"
            lines.append(f"{member['role']:<9}  {member['id']}  {member['email']}{name}{state}")
        return Answer({"project_id": project.public_id, "members": members}, "\n".join(lines))
