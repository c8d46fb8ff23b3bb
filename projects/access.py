from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404

from accounts.models import User
from projects.models import Membership, Project
from projects.permissions import Permission, Role, permissions_of, reason, those_who


def get_project(user: User, project_id: str, *, can: Permission) -> Project:
    """The living project `project_id`, with the user's `role` in it and their `membership`.

    Raises Http404 for a stranger, exactly as for an id that never existed, and PermissionDenied, with
    the reason to show, for a member whose role does not allow `can`.
    """
    membership = (
        Membership.objects.select_related("project")
        .filter(user=user, project__public_id=project_id, project__deleted_at=None)
        .first()
    )
    if membership is None:
        raise Http404
    if can not in permissions_of(membership.role):
        raise PermissionDenied(reason(can))
    project = membership.project
    project.role, project.membership = Role(membership.role), membership
    return project


def rights(project: Project) -> dict[str, Any]:
    """The context of every page of a project: the project, what its viewer may do, why they may not do the rest,
    and who may.

    The project comes from `get_project`.
    """
    return {
        "project": project,
        "can": permissions_of(project.role or ""),
        "reasons": {permission.value: reason(permission) for permission in Permission},
        "those_who": {permission.value: those_who(permission) for permission in Permission},
    }
