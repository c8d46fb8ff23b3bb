from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.views.decorators.debug import sensitive_variables

from apikeys.demo.sample_account import Demo, create_demo
from apikeys.standing import STANDINGS
from common.key_ring import VaultUnavailable
from common.plurals import counted
from common.security_log import muted
from projects.management.operator_command import Answer, OperatorCommand

_WIDEST = max(len(standing.label) for standing in STANDINGS)


class Command(OperatorCommand):
    help = "Make a sample account with projects, keys and months of use. Each run makes a new account."

    @sensitive_variables()
    def answer(self, **options: Any) -> Answer:
        if settings.PRODUCTION:
            raise CommandError("ENV=production: no sample account is made here. Use a local server (make run).")
        try:
            with muted():
                demo = create_demo()
        except VaultUnavailable as error:
            raise CommandError(f"No key can be made: {error} Set it as docs/settings.md says.") from error
        return Answer(_data(demo), _text(demo))


@sensitive_variables()
def _data(demo: Demo) -> dict[str, Any]:
    projects = [
        {
            "id": project.public_id,
            "name": project.name,
            "keys": [
                {
                    "id": key.public_id,
                    "name": key.name,
                    "state": str(key.state),
                    "standing": key.standing.code,
                    "secret": secret,
                }
                for key, secret in keys
            ],
        }
        for project, keys in demo.projects
    ]
    return {"email": demo.email, "password": demo.password, "projects": projects}


@sensitive_variables()
def _text(demo: Demo) -> str:
    lines = [
        f"A sample account with {counted(len(demo.projects), 'project')}. Log in at /accounts/login/ with",
        f"    email:     {demo.email}",
        f"    password:  {demo.password}   (shown this once)",
    ]
    for project, keys in demo.projects:
        lines.append(f"{project.name}  {project.public_id}")
        lines += [f"    {key.public_id}  {key.standing.label.lower():<{_WIDEST}}  {key.name}" for key, _ in keys]
    return "\n".join([*lines, "Copy the keys' secrets on the pages; a run with --json prints those of its account."])
