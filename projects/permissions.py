"""What a role allows. Permissions are named by what they allow; roles map to them here and nowhere else."""

from enum import StrEnum

from django.db import models


class Permission(StrEnum):
    VIEW_PROJECT = "view_project"
    MANAGE_KEYS = "manage_keys"
    READ_SECRETS = "read_secrets"
    MANAGE_PROJECT = "manage_project"
    MANAGE_MEMBERS = "manage_members"
    HAND_OVER_KEYS = "hand_over_keys"
    GET_MAILS = "get_mails"
    # The project counts towards this person's limits, and a project always keeps one such person.
    OWN_PROJECT = "own_project"


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    DEVELOPER = "developer", "Developer"
    VIEWER = "viewer", "Viewer"

    @property
    def phrase(self) -> str:
        """What sentences call a person of this role."""
        return {Role.OWNER: "an owner", Role.DEVELOPER: "a developer", Role.VIEWER: "a viewer"}[self]

    @property
    def plural(self) -> str:
        """What sentences call all people of this role."""
        return f"{self.value}s"


_ALLOWED: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.DEVELOPER: frozenset(
        {Permission.VIEW_PROJECT, Permission.MANAGE_KEYS, Permission.READ_SECRETS, Permission.GET_MAILS}
    ),
    Role.VIEWER: frozenset({Permission.VIEW_PROJECT}),
}

# The role of a person in the project that they create, and of a person whom an admin makes an owner.
CREATORS_ROLE = Role.OWNER
# The role that the form of an invitation proposes.
INVITED_ROLE = Role.DEVELOPER

# What a person with the permission can do, in the order of the help page. The help page and the reasons say it.
_RIGHTS = {
    Permission.VIEW_PROJECT: "see keys without their secrets, usage, activity and members",
    Permission.MANAGE_KEYS: "create, edit, pause, re-enable, roll and delete keys",
    Permission.READ_SECRETS: "copy and reveal secrets",
    Permission.GET_MAILS: "get email notifications about keys",
    Permission.HAND_OVER_KEYS: "take keys over and offer them to others",
    Permission.MANAGE_MEMBERS: "invite people, change roles and remove members",
    Permission.MANAGE_PROJECT: "rename and delete the project, and choose how keys are stored",
    Permission.OWN_PROJECT: "be responsible for the project",
}
# Not a thing that a person does on a page.
_NOT_IN_THE_TABLE = {Permission.OWN_PROJECT}


def rights_of_roles() -> list[tuple[str, list[bool]]]:
    """The table of the help page: for each right in words, whether each role has it, in the order of `Role`."""
    rows = [(can, words) for can, words in _RIGHTS.items() if can not in _NOT_IN_THE_TABLE]
    return [(words[0].upper() + words[1:], [can in _ALLOWED[role] for role in Role]) for can, words in rows]


def permissions_of(role: str) -> frozenset[Permission]:
    """Everything `role` allows; nothing for a role that is not known."""
    return _ALLOWED[Role(role)] if role in Role.values else frozenset()


def roles_that(can: Permission) -> list[Role]:
    """The roles that allow `can`, for queries."""
    return [role for role, allowed in _ALLOWED.items() if can in allowed]


def those_who(can: Permission) -> str:
    """What sentences call everybody whose role allows `can`: "owners and developers"."""
    return " and ".join(role.plural for role in roles_that(can))


def one_who(can: Permission) -> str:
    """What sentences call one of them: "an owner or a developer"."""
    return " or ".join(role.phrase for role in roles_that(can))


def reason(can: Permission) -> str:
    """Why a person whose role does not allow `can` is refused, as pages and answers show it."""
    return f"Only {those_who(can)} of the project can {_RIGHTS[can]}."
