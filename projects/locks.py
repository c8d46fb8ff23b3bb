from collections.abc import Iterable

from accounts.models import User
from common.gone import Gone
from projects.models import Project
from projects.permissions import Permission, reason


class ProjectGone(Gone):
    """The project was deleted in the meantime."""


class NoLongerAllowed(Gone):
    """The person who makes a change lost the right to it while their request waited for its turn.

    Its words are the reason to show; "" for a person who is no member any more, and so gets the answer of a stranger.
    """


def lock_project(project: Project) -> Project:
    """The project as it is now, locked until the transaction ends. Raises ProjectGone if it was deleted.

    The lock makes a rule about the project's rows, such as a limit or "a project has an owner", hold for requests that
    arrive together. It is no full lock, because a change of a key needs the project for its event and must not wait.
    """
    locked = Project.objects.alive().select_for_update(no_key=True).filter(pk=project.pk).first()
    if locked is None:
        raise ProjectGone
    return locked


def lock_for(project: Project, *, by: User | None, can: Permission) -> Project:
    """What `lock_project` returns, for a change that `by` may make only with the right `can`. It is asked for again.

    Who removes, demotes, deactivates or deletes a person locks the project, too: either the change comes first, or
    `by` has lost the right. None stands for an operator. Raises ProjectGone and NoLongerAllowed.
    """
    project = lock_project(project)
    if by is not None:
        refuse_without_right(project, by, can)
    return project


def hold_right(project: Project, *, by: User, can: Permission) -> None:
    """As `lock_for`, without locking the project: for what stops a key, which must not wait for an upload.

    It locks the membership, so a removal or a demotion waits, or comes first. Raises ProjectGone and NoLongerAllowed.
    """
    if not Project.objects.alive().filter(pk=project.pk).exists():
        raise ProjectGone
    list(project.memberships.select_for_update(no_key=True).filter(user=by).values_list("pk", flat=True))
    refuse_without_right(project, by, can)


def refuse_without_right(project: Project, user: User, can: Permission) -> None:
    """Raises NoLongerAllowed. Called in a transaction in which the membership cannot change."""
    members = project.memberships.active()
    if not members.that(can).filter(user=user).exists():
        raise NoLongerAllowed(reason(can) if members.filter(user=user).exists() else "")


def lock_users(pks: Iterable[int]) -> None:
    """Locks the accounts until the transaction ends, so that their limits hold for requests that arrive together.

    A transaction that also locks an existing project locks the project first. It is no full lock: events that name the
    account do not wait.
    """
    list(User.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk").values_list("pk", flat=True))
