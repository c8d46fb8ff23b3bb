"""Every change of an invitation until it is accepted (acceptance.py).

One keyword-only function each, atomic, taking who does it as `by`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.addresses import MAX_LENGTH, canonical, spellings
from accounts.models import User
from accounts.sign_up.sign_up_policy import domain_refusal
from common.gone import Gone
from projects import audit_kinds
from projects.audit_log.kinds import Kind
from projects.audit_log.models import AuditEvent
from projects.audit_log.owner_emails import tell_of_several
from projects.audit_log.recording import record
from projects.invitations import invitation_emails, invitation_limits
from projects.invitations.invitation_limits import refuse_too_many, refuse_too_many_copies
from projects.invitations.models import Invitation
from projects.invitations.tokens import Token, Way, new_token
from projects.locks import lock_for
from projects.models import Project
from projects.permissions import Permission, Role

LIFETIME = timedelta(days=7)


class InvitationGone(Gone):
    """The invitation was accepted or revoked, has expired, or its token was replaced."""


def invite(
    *, project: Project, emails: Sequence[str], role: Role, by: User | None, address: str | None = None
) -> list[Invitation]:
    """Invites every address and emails it a link that works for 7 days, or invites nobody. Each owner gets one email.

    Raises ValidationError with a message for each address that cannot be invited, and at a limit; ProjectGone; and
    NoLongerAllowed. `by` is None for an operator's command.
    """
    wanted, faults = _read(emails)
    with transaction.atomic():
        project = lock_for(project, by=by, can=Permission.MANAGE_MEMBERS)
        now = timezone.now()
        pending = {found.email: found for found in project.invitations.pending().filter(email__in=wanted)}
        faults += _faults(project, wanted, [one for one in pending.values() if not one.is_expired(now)], by, role)
        _refuse(faults)
        refuse_too_many(project, by, len(wanted), new=len(wanted) - len(pending))
        invitations = [pending.get(email) or Invitation(project=project, email=email) for email in wanted]
        who: dict[str, Any] = {"by": by, "address": address}
        events = [_send(one, audit_kinds.INVITED, role, now, **who, is_told=False) for one in invitations]
        tell_of_several(audit_kinds.INVITED, events)
    return invitations


def create_link(*, project: Project, email: str, role: Role) -> tuple[Invitation, str]:
    """The invitation and the link of an operator's command, which sends no email. A pending one gets a new link.

    Raises ValidationError for a member, and for an address that has no canonical form; and ProjectGone.
    """
    wanted, faults = _read([email])
    with transaction.atomic():
        project = lock_for(project, by=None, can=Permission.MANAGE_MEMBERS)
        now = timezone.now()
        _refuse(faults + _faults(project, wanted, [], None, role))
        [email] = wanted
        invitation = project.invitations.pending().filter(email=email).first()
        if invitation is None:
            refuse_too_many(project, None, 1, new=1)
            invitation = Invitation(project=project, email=email)
        token = _renew(invitation, Way.LINK, role, None, now, until=now + LIFETIME)
        _note(audit_kinds.INVITED, invitation, None, None)
    return invitation, token.link


def resend(*, invitation: Invitation, by: User | None, address: str | None = None) -> Invitation:
    """Emails a new link, which replaces the mailed one, and begins the 7 days again.

    Raises ValidationError at a limit, InvitationGone, ProjectGone and NoLongerAllowed.
    """
    with transaction.atomic():
        invitation = _lock_pending(invitation, by)
        refuse_too_many(invitation.project, by, 1)
        role = Role(invitation.role)
        _send(invitation, audit_kinds.INVITATION_RESENT, role, timezone.now(), by=by, address=address)
    return invitation


def copy_link(*, invitation: Invitation, by: User, address: str | None = None) -> tuple[Invitation, str]:
    """A new link for the person who invites to pass on. It replaces the link that was copied before.

    Raises what `resend` raises.
    """
    with transaction.atomic():
        invitation = _lock_pending(invitation, by)
        refuse_too_many_copies(invitation.project, by)
        now = timezone.now()
        until = now + LIFETIME if invitation.is_expired(now) else invitation.expires_at
        token = _renew(invitation, Way.LINK, Role(invitation.role), by, now, until=until)
        _note(audit_kinds.INVITATION_LINK_COPIED, invitation, by, address)
    return invitation, token.link


def revoke(*, invitation: Invitation, by: User | None, address: str | None = None) -> None:
    """Ends the invitation. Raises InvitationGone, ProjectGone and NoLongerAllowed."""
    with transaction.atomic():
        revoke_pending([_lock_pending(invitation, by)], by=by, address=address)


@transaction.atomic
def revoke_pending(invitations: Iterable[Invitation], *, by: User | None, address: str | None) -> int:
    """Ends those that are pending, and returns their number.

    Asks for no right: `by` caused that invitations may not go on, or is staff in the admin.
    """
    rows = Invitation.objects.pending().filter(pk__in=[invitation.pk for invitation in invitations]).order_by("pk")
    pending = list(rows.select_for_update(of=("self",)).select_related("project"))
    for invitation in pending:
        invitation.revoked_at = timezone.now()
        invitation.mailed_digest = invitation.link_digest = None
        invitation.save(update_fields=["revoked_at", "mailed_digest", "link_digest"])
        _note(audit_kinds.INVITATION_REVOKED, invitation, by, address)
    return len(pending)


def _read(emails: Sequence[str]) -> tuple[list[str], list[str]]:
    """The addresses in canonical form, each once, and what is wrong with them. Raises ValidationError for too many."""
    if len(emails) > invitation_limits.MOST_A_DAY:
        raise ValidationError(
            f"A project can invite {invitation_limits.MOST_A_DAY} people a day. You entered {len(emails):,} addresses.",
            code="too_many",
        )
    found, faults = Counter[str](), [] if emails else ["Enter an email address."]
    for email in emails:
        try:
            form = canonical(email)
        except ValidationError as error:
            faults.append(f"{email[:MAX_LENGTH].rstrip(':')}: {' '.join(error.messages)}")
            continue
        found[form] += 1
        if refused := domain_refusal(form):
            faults.append(f"{email}: {refused}")
    return list(found), faults + [f"{email} is entered twice." for email, times in found.items() if times > 1]


def _faults(project: Project, wanted: list[str], pending: list[Invitation], by: User | None, role: Role) -> list[str]:
    """Looks at the project's own members only, so that nobody learns which addresses have an account elsewhere."""
    forms = {form: email for email in wanted for form in spellings(email)}
    faults = []
    members = project.memberships.filter(user__email__in=forms).order_by("pk")
    for pk, email in members.values_list("user", "user__email"):
        is_own = by is not None and pk == by.pk
        faults.append(f"{email} is your own address." if is_own else f"{email} is a member already.")
    return faults + [_already_invited(one, role) for one in pending]


def _already_invited(invitation: Invitation, role: Role) -> str:
    if invitation.role == role:
        return f"{invitation.email} is invited already. To email the link again, use Resend."
    today = f"{invitation.email} is invited as {Role(invitation.role).phrase} already."
    return f"{today} To change the role, revoke the invitation and invite again."


def _refuse(faults: list[str]) -> None:
    if faults:
        raise ValidationError([ValidationError(fault, code="invalid") for fault in faults])


def _lock_pending(invitation: Invitation, by: User | None) -> Invitation:
    lock_for(invitation.project, by=by, can=Permission.MANAGE_MEMBERS)
    return lock_row(invitation)


def lock_row(invitation: Invitation) -> Invitation:
    """The pending invitation as it is now, locked. Called with the project locked. Raises InvitationGone."""
    rows = Invitation.objects.pending().select_for_update(of=("self",)).select_related("project", "by")
    found = rows.filter(pk=invitation.pk).first()
    if found is None:
        raise InvitationGone
    return found


def _send(invitation: Invitation, kind: Kind, role: Role, now: datetime, *, by: User | None, **how: Any) -> AuditEvent:
    token = _renew(invitation, Way.MAILED, role, by, now, until=now + LIFETIME)
    event = _note(kind, invitation, by, **how)
    invitation_emails.send_link(invitation, token.link)
    return event


def _renew(invitation: Invitation, way: Way, role: Role, by: User | None, now: datetime, *, until: datetime) -> Token:
    """Saves the invitation with a new token of one kind.

    The other token stays only if the same person vouches for it, it has not expired, and it gives the same role.
    """
    token = new_token()
    same = (invitation.by_id, invitation.role) == (by and by.pk, role)
    if invitation.pk is None or not same or invitation.is_expired(now):
        invitation.mailed_digest = invitation.link_digest = None
    if way == Way.MAILED:
        invitation.mailed_digest = token.digest
    else:
        invitation.link_digest = token.digest
    invitation.role, invitation.by, invitation.expires_at = role, by, until
    invitation.save()
    return token


def _note(kind: Kind, invitation: Invitation, by: User | None, address: str | None, **how: Any) -> AuditEvent:
    project, role = invitation.project, invitation.role
    return record(kind, project=project, by=by, address=address, before=invitation.email, role=role, **how)
