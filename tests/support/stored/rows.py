"""Creates any number of rows with few statements."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from apikeys.models import ApiKey
from projects.audit_log.models import AuditEvent
from projects.invitations.models import Invitation
from projects.models import File, Membership, Project
from projects.permissions import Role


def many_keys(project: Project, number: int, **fields: Any) -> None:
    plain = {"project": project, "responsible": project.created_by, "pepper_id": "k1", "ring_key_id": "k1"}
    ApiKey.objects.bulk_create(
        ApiKey(
            **plain | {"name": f"Row {n}", "mask": "lk_abcd••••••••wxyz", "ciphertext": b"c"} | fields,
            digest=f"{project.pk}-{n}".encode(),
            created_at=timezone.now() - timedelta(minutes=n),
        )
        for n in range(number)
    )


def many_projects(owner: User, number: int) -> None:
    projects = Project.objects.bulk_create(Project(name=f"Project {n}", created_by=owner) for n in range(number))
    Membership.objects.bulk_create(Membership(project=project, user=owner) for project in projects)


def many_events(key: ApiKey, number: int) -> None:
    AuditEvent.objects.bulk_create(
        AuditEvent(project=key.project, key=key, kind="copied", by=key.created_by, address="192.0.2.1")
        for _ in range(number)
    )


def many_files(project: Project, number: int) -> None:
    File.objects.bulk_create(
        File(project=project, name=f"file-{n}", size=n, created_by=project.created_by) for n in range(number)
    )


def many_members(project: Project, number: int, role: Role = Role.VIEWER) -> None:
    known = project.memberships.count()
    people = User.objects.bulk_create(
        User(email=f"member{known + n}-{project.pk}@example.com", name=f"Member {known + n}") for n in range(number)
    )
    Membership.objects.bulk_create(Membership(project=project, user=user, role=role) for user in people)


def many_invitations(project: Project, number: int) -> None:
    in_a_week = timezone.now() + timedelta(days=7)
    row = {"project": project, "role": Role.VIEWER, "by": project.created_by, "expires_at": in_a_week}
    known = project.invitations.count()
    Invitation.objects.bulk_create(Invitation(email=f"invited{known + n}@example.com", **row) for n in range(number))
