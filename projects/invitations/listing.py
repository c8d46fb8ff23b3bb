"""The pending invitations of a project and the form that invites people, as the Members page shows them."""

import re
from collections.abc import Collection
from email.utils import parseaddr
from typing import Any, NamedTuple

from django import forms
from django.utils import timezone

from common.instants import time_left
from common.names import refuse_secret
from projects.forms import PageForm
from projects.invitations.invitation_emails import inviter_of
from projects.invitations.models import Invitation
from projects.invitations.tokens import inviters
from projects.models import Project
from projects.permissions import INVITED_ROLE, Permission, Role

# What stands between commas, semicolons or lines. A name in quotation marks may contain commas.
_PART = re.compile(r'(?:"[^"]*"|[^,;\r\n])+')


def _addresses(text: str) -> list[str]:
    """The addresses in a text with commas, semicolons, spaces or lines between them.

    Mail programs copy an address with a name: `Grace Hopper <grace@example.com>`.
    """
    found: list[str] = []
    for part in _PART.findall(text):
        named = parseaddr(part)[1] if "<" in part else ""
        found += [named] if named else part.split()
    return found


class AddressesField(forms.CharField):
    """The service decides about each address."""

    def clean(self, value: Any) -> list[str]:
        text = str(super().clean(value))
        refuse_secret(text, "Enter email addresses.")
        return _addresses(text)


class InviteForm(PageForm):
    id_prefix = "invite"
    emails = AddressesField(
        label="Email addresses",
        help_text="One or several, with commas, semicolons or lines between them.",
        error_messages={"required": "Enter an email address."},
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false", "inputmode": "email"}),
    )
    role = forms.TypedChoiceField(
        label="Role",
        choices=Role.choices,
        coerce=Role,
        initial=INVITED_ROLE,
        error_messages={"required": "Choose a role.", "invalid_choice": "There is no such role. Choose one."},
        widget=forms.Select(attrs={"autocomplete": "off"}),
    )


class Copied(NamedTuple):
    """A new `link` of the invitation, which is shown this once, and what is to be said about it."""

    invitation: Invitation
    link: str
    note: str


class Row(NamedTuple):
    invitation: Invitation
    inviter: str
    is_expired: bool
    # A link of a person who may no longer invite lets nobody in until somebody else sends it again.
    is_vouched_for: bool
    copied: Copied | None


def note_of_link(before: Invitation, now: Invitation) -> str:
    """What a person who copied a link needs to know: how it works, and which of the earlier links still do."""
    said = [f"It works once, for {now.email} only, and ends {time_left(now.expires_at - timezone.now())}."]
    if before.link_digest:
        said.append("The link that was copied before no longer works.")
    if before.mailed_digest:
        said.append(f"The emailed link {'still works' if now.mailed_digest else 'no longer works'}.")
    return " ".join(said)


def context(
    project: Project,
    can: Collection[Permission],
    *,
    form: InviteForm | None = None,
    copied: Copied | None = None,
) -> dict[str, Any]:
    """What the partial projects/members/invitations.html takes, for a viewer with these permissions.

    `form` is one that was refused, and `copied` stands in the row of its invitation.
    """
    if Permission.MANAGE_MEMBERS not in can:
        return {}
    now, able = timezone.now(), inviters(project)
    pending = project.invitations.pending().select_related("by")
    rows = [
        Row(
            one,
            inviter_of(one.by),
            one.is_expired(now),
            one.by_id is None or one.by_id in able,
            copied if copied and copied.invitation == one else None,
        )
        for one in pending
    ]
    rows.sort(key=lambda row: row.is_expired)
    return {"invitations": rows, "invite_form": form or InviteForm()}
