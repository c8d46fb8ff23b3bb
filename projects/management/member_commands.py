"""What the operator's commands about members have in common."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import User
from common.installation import MANAGE
from projects.locks import ProjectGone
from projects.management.operator_command import OperatorCommand, named_user
from projects.members.memberships import change_member
from projects.models import Membership, Project
from projects.permissions import Role


class MemberCommand(OperatorCommand):
    """A command about one person in one project."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project_id", help="The project's id, prj_…")
        parser.add_argument("email", help="The person's email address or id (usr_…).")


def facts(member: Membership) -> dict[str, Any]:
    """The member, as --json prints it."""
    user = member.user
    return {
        "id": user.public_id,
        "email": user.email,
        "name": user.name,
        "role": member.role,
        "since": member.created_at.isoformat(),
        "last_sign_in": user.last_login.isoformat() if user.last_login else None,
        "is_active": user.is_active and user.deleted_at is None,
    }


def no_member(project: Project, user: User) -> CommandError:
    return CommandError(
        f"{named_user(user)} is not a member of {project.name}. See who is: {MANAGE} listmembers {project.public_id}"
    )


def change(project: Project, user: User, role: Role | None) -> bool:
    """What the operator does to a member. Returns whether that changed anything."""
    try:
        return bool(change_member(project=project, user=user, role=role, by=None))
    except ProjectGone as error:
        raise CommandError(f"{project.public_id} was deleted in the meantime.") from error
