"""Tokens of invitations: 256 random bits in the address of a page, and their digest in the database."""

import hashlib
import secrets
from enum import StrEnum
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q
from django.urls import reverse

from accounts.models import User
from projects.invitations.models import Invitation
from projects.models import Project
from projects.permissions import Permission


class Token(NamedTuple):
    """Letters and digits only, so that the log masks a token wherever it turns up (config/logs.py)."""

    text: str

    @property
    def digest(self) -> bytes:
        return digest_of(self.text)

    @property
    def link(self) -> str:
        return settings.BASE_URL + reverse("projects:open_invitation", args=[self.text])


def new_token() -> Token:
    return Token(secrets.token_hex(32))


def digest_of(token: str) -> bytes:
    """A fast hash is enough, because nobody can guess 256 bits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


class Way(StrEnum):
    """How a token reached the person."""

    MAILED = "mailed"
    LINK = "link"  # copied by a member, or printed by a command


def find(digest: bytes | None) -> Invitation | None:
    """The invitation that has this token: neither accepted nor revoked, and still vouched for. It may have expired."""
    if digest is None:
        return None
    invitations = Invitation.objects.pending().select_related("project", "by")
    by_token = Q(mailed_digest=digest) | Q(link_digest=digest)
    found = invitations.filter(by_token, project__deleted_at=None).first()
    return found if found and is_vouched_for(found) else None


def way_of(invitation: Invitation, digest: bytes) -> Way | None:
    """None for a token that another one has replaced."""
    for way, stored in ((Way.MAILED, invitation.mailed_digest), (Way.LINK, invitation.link_digest)):
        if stored is not None and bytes(stored) == digest:
            return way
    return None


def is_vouched_for(invitation: Invitation) -> bool:
    """Whether the inviter may still invite people. A removed owner must not come back by an own invitation."""
    return invitation.by_id is None or invitation.by_id in inviters(invitation.project)


def inviters(project: Project) -> set[int]:
    """The primary keys of the members who may invite."""
    members = project.memberships.active().that(Permission.MANAGE_MEMBERS)
    return set(members.values_list("user", flat=True))


def is_for(invitation: Invitation, user: User) -> bool:
    """Whether the account has the invited address. Two accounts may share a canonical form (address_clashes.py), and
    the invitation is for the one that keeps it.
    """
    return User.objects.having(invitation.email) == user
