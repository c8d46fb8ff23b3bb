from typing import Any

from django.core.management.base import CommandError, CommandParser

from projects.management.member_commands import MemberCommand, change
from projects.management.operator_command import Answer, find_project, find_user, named_user, refuse_deleted
from projects.permissions import Role


class Command(MemberCommand):
    help = (
        "Give an account a role in a project, and make it a member if it is none. The person and the owners are told."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("role", choices=Role.values, help=f"{', '.join(Role.values[:-1])} or {Role.values[-1]}")

    def answer(self, **options: Any) -> Answer:
        project, role = find_project(options["project_id"]), Role(options["role"])
        user = find_user(options["email"], also_inactive=True)
        refuse_deleted(user)
        if not user.is_active and not project.memberships.filter(user=user).exists():
            raise CommandError(
                f"The account {named_user(user)} is deactivated. Reactivate it in the admin first "
                "(search for its id at /admin/accounts/user/), or choose another account."
            )
        changed = change(project, user, role)
        return Answer(
            {"project_id": project.public_id, "id": user.public_id, "role": role.value, "changed": changed},
            f"{named_user(user)} is {'now' if changed else 'already'} {role.phrase} of {project.name}.",
        )
