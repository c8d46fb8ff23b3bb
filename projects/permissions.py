"""What a role allows. Permissions are named by what they allow; roles map to them here and nowhere else."""

from enum import StrEnum

from django.db import models


class Permission(StrEnum):
    VIEW_PROJECT = "view_project"
    MANAGE_KEYS = "manage_keys"
    READ_SECRETS = "read_secrets"
    MANAGE_PROJECT = "manage_project"
    GET_MAILS = "get_mails"


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    VIEWER = "viewer", "Viewer"

    @property
    def phrase(self) -> str:
        """What sentences call a person of this role."""
        return {Role.OWNER: "an owner", Role.VIEWER: "a viewer"}[self]


_ALLOWED: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.VIEWER: frozenset({Permission.VIEW_PROJECT}),
}


def permissions_of(role: str) -> frozenset[Permission]:
    """Everything `role` allows; nothing for a role that is not known."""
    return _ALLOWED[Role(role)] if role in Role.values else frozenset()
