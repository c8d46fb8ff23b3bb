from typing import Any

from django.core.management.base import CommandParser

from common.installation import MANAGE
from projects.management.operator_command import Answer, OperatorCommand, find_user, named_user
from projects.services import create_project


class Command(OperatorCommand):
    help = "Create a project. Its owner finds it on the dashboard."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", help='What people call it, at most 64 characters: "Acme Weather API"')
        parser.add_argument("--owner", required=True, metavar="EMAIL", help="A user's email address or id (usr_…).")

    def answer(self, **options: Any) -> Answer:
        owner = find_user(options["owner"])
        project = create_project(name=options["name"], owner=owner, by=None)
        return Answer(
            {"id": project.public_id, "name": project.name, "owner": owner.email, "owner_id": owner.public_id},
            f"Created project {project.name}: {project.public_id}\n"
            f"Its owner is {named_user(owner)}.\n"
            f"Next: {MANAGE} createkey {project.public_id} --name 'Production server'",
        )
