from typing import Any

from django.core.management.base import CommandError, CommandParser

from common.instants import in_words
from projects.invitations.services import create_link, resend
from projects.management.operator_command import Answer, OperatorCommand, find_project
from projects.permissions import INVITED_ROLE, Role


class Command(OperatorCommand):
    help = (
        "Invite a person to a project, and print a link that works once, for 7 days. The link does not confirm the "
        "person's address. An address that is invited already gets a new link."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project_id", help="The project's id (prj_…).")
        parser.add_argument("email", help="The invited address.")
        parser.add_argument("--role", default=INVITED_ROLE.value, help=f"{', '.join(Role.values)}; {INVITED_ROLE}.")
        parser.add_argument("--send", action="store_true", help="Also email a link, which confirms the address.")

    def answer(self, **options: Any) -> Answer:
        if options["role"] not in Role.values:
            raise CommandError(f"No role {options['role']!r}. The roles are {', '.join(Role.values)}.")
        role = Role(options["role"])
        project = find_project(options["project_id"])
        invitation, link = create_link(project=project, email=options["email"], role=role)
        if options["send"]:
            invitation = resend(invitation=invitation, by=None)
        until = in_words(invitation.expires_at)
        sent = f" The email to {invitation.email} has another link." if options["send"] else ""
        return Answer(
            {"link": link, "expires_at": invitation.expires_at.isoformat()},
            f"Invited {invitation.email} to {project.name} as {role.phrase}.{sent}\n"
            f"{link}\n"
            f"The link works once, until {until}. Give it to this person only.",
        )
