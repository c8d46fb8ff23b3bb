from typing import Any

from projects.management.member_commands import MemberCommand, change, no_member
from projects.management.operator_command import Answer, find_project, find_user, named_user


class Command(MemberCommand):
    help = (
        "Remove a member from a project. Keys that they created stay as they are. The person and the owners are told."
    )

    def answer(self, **options: Any) -> Answer:
        project = find_project(options["project_id"])
        user = find_user(options["email"], also_inactive=True)
        if not change(project, user, None):
            raise no_member(project, user)
        return Answer(
            {"project_id": project.public_id, "id": user.public_id},
            f"Removed {named_user(user)} from {project.name}. Keys that they created stay as they are.",
        )
