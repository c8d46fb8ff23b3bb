"""The pending invitations of a project, as its Members page shows them."""

from collections.abc import Collection
from typing import Any

from projects.models import Project
from projects.permissions import Permission


def context(project: Project, can: Collection[Permission]) -> dict[str, Any]:
    """What the partial projects/members/invitations.html takes, for a viewer with these permissions."""
    return {}
