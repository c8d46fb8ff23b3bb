"""The only ways in which a person becomes a member of a project, gets another role in it, or is removed."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common.gone import Gone
from projects import audit_kinds
from projects.audit_log.models import AuditEvent
from projects.audit_log.recording import record
from projects.locks import lock_for, lock_project
from projects.members.owned_projects import refuse_another_project
from projects.models import Membership, Project
from projects.permissions import Permission, Role, permissions_of
from projects.signals import member_changed


class MemberGone(Gone):
    """The person whose membership was to change is no member any more."""


def change_member(
    *,
    project: Project,
    user: User,
    role: Role | None,
    by: User | None,
    address: str | None = None,
    is_told: bool = True,
) -> AuditEvent | None:
    """Gives `user` the role in the project; None removes them. Returns the event; None if nothing changed.

    Each change sends one email to the person and to each owner, or none without `is_told` (see `record`). A person who
    creates a project gets no email about becoming its owner. `by` is None for an operator's command. Raises
    ValidationError if the project would lose its last owner, or if the account owns too many projects; and ProjectGone
    if the project was deleted.
    """
    with transaction.atomic():
        project = lock_project(project)
        membership = project.memberships.filter(user=user).first()
        before = Role(membership.role) if membership else None
        if before == role:
            return None
        _refuse_change_of_owner(project, user, before, role)
        _write(project, user, membership, role)
        who: dict[str, Any] = {"by": by, "address": address}
        event = _record_change(project, user, before, role, **who, is_told=is_told)
        member_changed.send(sender=Membership, project=project, user=user, role=role, **who)
    return event


def manage_member(
    *,
    project: Project,
    user: User,
    role: Role | None,
    by: User | None,
    address: str | None = None,
    is_told: bool = True,
    seen: str = "",
) -> AuditEvent | None:
    """What a member who may manage members, or an operator, does to a member: another role, or None to remove them.

    It adds nobody: a page that was open for long must not bring a removed person back. Raises MemberGone for that,
    NoLongerAllowed if `by` lost the right in the meantime, ValidationError if the person has neither `role` nor the
    role `seen` by now, and what `change_member` raises.
    """
    with transaction.atomic():
        project = lock_for(project, by=by, can=Permission.MANAGE_MEMBERS)
        member = project.memberships.filter(user=user).first()
        if member is None:
            raise MemberGone
        if seen and member.role not in (seen, role):
            raise _role_changed(user, member)
        return change_member(project=project, user=user, role=role, by=by, address=address, is_told=is_told)


def let_in(*, project: Project, user: User, role: Role, address: str | None = None) -> bool:
    """Makes a member of a person who accepts an invitation. False for a member, who keeps their role.

    Raises ValidationError if they would own too many projects.
    """
    with transaction.atomic():
        project = lock_project(project)
        if project.memberships.filter(user=user).exists():
            return False
        _refuse_change_of_owner(project, user, None, role)
        _write(project, user, None, role)
        record(audit_kinds.MEMBER_JOINED, project=project, member=user, role=role, by=user, address=address)
        member_changed.send(sender=Membership, project=project, user=user, role=role, by=user, address=address)
    return True


def _role_changed(user: User, now: Membership) -> ValidationError:
    return ValidationError(
        f"Somebody made {user} {Role(now.role).phrase} in the meantime. Nothing was changed. Choose again.",
        code="changed_meanwhile",
    )


def _is_owner(role: Role | None) -> bool:
    return role is not None and Permission.OWN_PROJECT in permissions_of(role)


def _record_change(project: Project, user: User, before: Role | None, role: Role | None, **who: Any) -> AuditEvent:
    facts: dict[str, Any] = {"project": project, "member": user, "role": role or before or "", **who}
    if role is None:
        kind = audit_kinds.MEMBER_LEFT if who["by"] == user else audit_kinds.MEMBER_REMOVED
        return record(kind, **facts)
    if before is None:
        return record(audit_kinds.MEMBER_ADDED, **facts)
    return record(audit_kinds.MEMBER_CHANGED, **facts, before=before.label, after=role.label)


def _refuse_change_of_owner(project: Project, user: User, before: Role | None, role: Role | None) -> None:
    """Raises ValidationError. Called with the project locked.

    A project that no active person owns may get any owner: otherwise nobody could manage it.
    """
    if _is_owner(before) and not _is_owner(role):
        _refuse_to_lose_last_owner(project, user)
    if _is_owner(role) and not _is_owner(before) and project.memberships.active().that(Permission.OWN_PROJECT).exists():
        refuse_another_project(user)


def _refuse_to_lose_last_owner(project: Project, user: User) -> None:
    """An owner whose account is deactivated or deleted cannot stand in for one whose account is active."""
    others = project.memberships.that(Permission.OWN_PROJECT).exclude(user=user)
    if user.is_active and user.deleted_at is None:
        others = others.active()
    if not others.exists():
        raise ValidationError(
            f"The last owner of {project}, {user}, can neither be removed nor get another role. "
            "Make another active person an owner first.",
            code="last_owner",
        )


def _write(project: Project, user: User, membership: Membership | None, role: Role | None) -> None:
    if role is None:
        project.memberships.filter(user=user).delete()
    elif membership is None:
        Membership.objects.create(project=project, user=user, role=role)
    else:
        # To a new owner, everything before the change is unknown (see `Membership.mails_chosen_at`).
        membership.role, membership.mails_chosen_at = role, timezone.now()
        membership.save(update_fields=["role", "mails_chosen_at"])
