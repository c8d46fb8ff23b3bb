"""Accepting an invitation: the token is used up, and the person becomes a member."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.signals import closing_begun
from accounts.unconfirmed import confirm_and_clear, is_confirmed, must_be_cleared
from common.gone import Gone
from projects.invitations.models import Invitation
from projects.invitations.services import InvitationGone, lock_row
from projects.invitations.tokens import Way, find, is_for, is_vouched_for, way_of
from projects.locks import lock_project, lock_users
from projects.members.memberships import let_in
from projects.models import Project
from projects.permissions import Role


class NotInvited(Gone):
    """The invitation is for the address of another account."""


class OwnWays(NamedTuple):
    """How the person who accepts is signed in: the id of the session, and the subjects of single sign-on."""

    session: str | None = None
    subjects: Collection[str] = ()


NO_WAYS = OwnWays()


class Accepted(NamedTuple):
    """`user` is the account as it is now. `was_cleared`: its address is confirmed now, and its password is gone, if it
    had one (`had_password`). `paused` names the keys that were paused then.
    """

    project: Project
    role: str
    user: User
    is_new: bool
    was_cleared: bool
    had_password: bool
    paused: list[str]


def accept(*, digest: bytes | None, by: User, own: OwnWays = NO_WAYS, address: str | None = None) -> Accepted:
    """Uses the token up, and makes a member of `by`. A person who is a member already keeps their role.

    The mailed token confirms the address of the account. If it was not confirmed, the account loses everything that
    another person could know: its password, second factors, sessions and connections, except `own`.
    Raises InvitationGone, NotInvited and ProjectGone; and ValidationError if they would own too many projects.
    """
    found = find(digest)
    if found is None or digest is None:
        raise InvitationGone
    with transaction.atomic():
        # The account may be cleared, and its projects are locked with this one, in one order.
        closing_begun.send(sender=User, user=by, also=found.project)
        project = lock_project(found.project)
        invitation = lock_row(found)
        way = way_of(invitation, digest)
        now = timezone.now()
        if way is None or invitation.is_expired(now) or not is_vouched_for(invitation):
            raise InvitationGone
        lock_users([by.pk])
        user = User.objects.get(pk=by.pk)
        if not (user.is_active and is_for(invitation, user)):
            raise NotInvited
        _use_up(invitation, user, now)
        is_cleared, had_password = way == Way.MAILED and must_be_cleared(user), user.has_usable_password()
        paused: list[str] = []
        if way == Way.MAILED and not is_confirmed(user):
            paused = confirm_and_clear(user, session=own.session, subjects=own.subjects, address=address)
        is_new = let_in(project=project, user=user, role=Role(invitation.role), address=address)
    return Accepted(project, invitation.role, user, is_new, is_cleared, had_password, paused)


def _use_up(invitation: Invitation, user: User, now: datetime) -> None:
    invitation.accepted_at, invitation.accepted_by = now, user
    invitation.mailed_digest = invitation.link_digest = None
    invitation.save(update_fields=["accepted_at", "accepted_by", "mailed_digest", "link_digest"])
