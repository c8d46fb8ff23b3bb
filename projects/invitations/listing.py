"""The pending invitations of a project, as its Members page shows them."""

from collections.abc import Collection
from typing import Any, NamedTuple

from django.utils import timezone

from projects.invitations.invitation_emails import inviter_of
from projects.invitations.invite_form import InviteForm
from projects.invitations.models import Invitation
from projects.invitations.tokens import inviters
from projects.models import Project
from projects.permissions import Permission


class Row(NamedTuple):
    invitation: Invitation
    inviter: str
    is_expired: bool
    # A link of a person who may no longer invite lets nobody in until somebody else sends it again.
    is_vouched_for: bool


def context(
    project: Project,
    can: Collection[Permission],
    *,
    form: InviteForm | None = None,
    copied: tuple[Invitation, str] | None = None,
) -> dict[str, Any]:
    """What the partial projects/members/invitations.html takes, for a viewer with these permissions.

    `form` is one that was refused, and `copied` an invitation with the new link that is shown this once.
    """
    if Permission.MANAGE_MEMBERS not in can:
        return {}
    now, able = timezone.now(), inviters(project)
    pending = project.invitations.pending().select_related("by")
    rows = [
        Row(one, inviter_of(one.by), one.is_expired(now), one.by_id is None or one.by_id in able) for one in pending
    ]
    rows.sort(key=lambda row: row.is_expired)
    shown, link = copied or (None, "")
    return {"invitations": rows, "invite_form": form or InviteForm(), "copied": shown, "invitation_link": link}
