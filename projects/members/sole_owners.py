"""What an account means to its projects: which of them it alone owns, and how its person leaves them all."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.dispatch import receiver
from django.urls import reverse
from django.utils import timezone

from accounts.addresses import DELETED
from accounts.models import User
from accounts.services import SHOWN, Lost, Obstacle, Thing
from accounts.signals import account_deleted, closing_begun, deletion_asked
from projects.audit_kinds import MEMBER_LEFT
from projects.audit_log.models import AuditEvent
from projects.audit_log.owner_emails import tell_of_several
from projects.invitations.models import Invitation
from projects.members.memberships import change_member
from projects.models import Membership, Project
from projects.permissions import Permission, Role


def projects_of_nobody_else(user: User) -> QuerySet[Project]:
    """The living projects whose only active owner is the user."""
    owners = Membership.objects.active().that(Permission.OWN_PROJECT).filter(project=OuterRef("pk"))
    return Project.objects.of(user, can=Permission.OWN_PROJECT).filter(~Exists(owners.exclude(user=user)))


@receiver(deletion_asked)
def tell_projects_of_nobody_else(user: User, **kwargs: Any) -> list[Obstacle]:
    projects = projects_of_nobody_else(user).order_by(Lower("name"), "pk")
    total = projects.count()
    if not total:
        return []
    advice = "Make another person an owner on the project's Members page, or delete the project on its Settings page."
    shown = [
        Thing(f"{project.name} ({project.public_id})", reverse("projects:members", args=[project.public_id]))
        for project in projects[:SHOWN]
    ]
    return [Obstacle("Projects that only you own", advice, shown, total)]


@receiver(closing_begun)
def lock_projects_of(user: User, also: Project | None = None, **kwargs: Any) -> None:
    """In the order of their ids, as every change of members does, so that the last two owners cannot go at once."""
    pks = list(Project.objects.filter(memberships__user=user).values_list("pk", flat=True))
    pks += [also.pk] if also else []
    list(Project.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk"))


@receiver(account_deleted)
def leave_projects(user: User, address: str | None, **kwargs: Any) -> None:
    """One email to each owner of any of them."""
    _, events = _leave(user, Project.objects.of(user), address)
    tell_of_several(MEMBER_LEFT, events)
    Membership.objects.filter(user=user).delete()  # of deleted projects
    _forget_address(user)


def _leave(user: User, projects: QuerySet[Project], address: str | None) -> tuple[list[Project], list[AuditEvent]]:
    """Leaves the living projects, with an event each and without an email."""
    found = list(projects.order_by("pk"))
    left = [
        change_member(project=project, user=user, role=None, by=user, address=address, is_told=False)
        for project in found
    ]
    return found, [event for event in left if event]


def leave_projects_of_others(user: User, address: str | None) -> tuple[list[Project], list[Lost]]:
    """Of a cleared account: the projects that it left, of which the caller tells their owners, and words for all.

    The person never agreed to be a member. A project that nobody else owns stays theirs, because otherwise nobody
    could manage or delete it; they read of it, and of its other members.
    """
    kept = list(projects_of_nobody_else(user).order_by("pk"))
    left, _ = _leave(user, Project.objects.of(user).exclude(pk__in=[project.pk for project in kept]), address)
    found = [Lost("Project left", _named(project)) for project in left]
    for project in kept:
        others = project.memberships.exclude(user=user).select_related("user").order_by("pk")
        people = ", ".join(f"{member.user} ({Role(member.role).label.lower()})" for member in others) or "none"
        found.append(Lost("Project that only you own now", f"{_named(project)}. Other members: {people}"))
    return left, found


def _named(project: Project) -> str:
    return f"{project.name} ({project.public_id})"


def _forget_address(user: User) -> None:
    """Events name invited people, and people who were offered a key, by their address."""
    named = str(User(public_id=user.public_id, deleted_at=timezone.now()))
    Invitation.objects.filter(accepted_by=user).update(email=f"{user.public_id}@{DELETED}".lower())
    mine = AuditEvent.objects.filter(Q(before=user.email) | Q(after=user.email))
    for column in ("before", "after"):
        mine.filter(**{column: user.email}).update(**{column: named})
