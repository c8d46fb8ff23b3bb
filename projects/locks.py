from collections.abc import Iterable

from accounts.models import User
from common.gone import Gone
from projects.models import Project


class ProjectGone(Gone):
    """The project was deleted in the meantime."""


def lock_project(project: Project) -> Project:
    """The project as it is now, locked until the transaction ends. Raises ProjectGone if it was deleted.

    The lock makes a rule about the project's rows, such as a limit or "a project has an owner", hold for requests that
    arrive together. It is no full lock, because a change of a key needs the project for its event and must not wait.
    """
    locked = Project.objects.alive().select_for_update(no_key=True).filter(pk=project.pk).first()
    if locked is None:
        raise ProjectGone
    return locked


def lock_users(pks: Iterable[int]) -> None:
    """Locks the accounts until the transaction ends, so that their limits hold for requests that arrive together.

    A transaction that also locks an existing project locks the project first. It is no full lock: events that name the
    account do not wait.
    """
    list(User.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk").values_list("pk", flat=True))
