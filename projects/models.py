from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Lower
from django.utils import timezone

from accounts.models import User
from common.names import CODE_LENGTH, MAX_LENGTH
from common.public_ids import new_public_id
from projects.audit_log import models as _audit_log  # noqa: F401  Django finds this room's model here
from projects.permissions import Permission, Role, roles_that


def new_project_id() -> str:
    return new_public_id("prj")


def new_file_id() -> str:
    return new_public_id("file")


class ProjectQuerySet(models.QuerySet["Project"]):
    def alive(self) -> ProjectQuerySet:
        return self.filter(deleted_at=None)

    def of(self, user: User, *, can: Permission = Permission.VIEW_PROJECT) -> ProjectQuerySet:
        """The living projects in which the user's role allows `can`."""
        return self.alive().filter(memberships__user=user, memberships__role__in=roles_that(can))

    def without_active_owner(self) -> ProjectQuerySet:
        """The living projects that nobody can manage: no owner of theirs can sign in."""
        owners = Membership.objects.active().that(Permission.OWN_PROJECT).filter(project=OuterRef("pk"))
        return self.alive().filter(~Exists(owners))

    def told_apart(self, user: User) -> ProjectQuerySet:
        """With `has_namesake`: whether another project of the user has the same name, so that pages show the ids."""
        others = Project.objects.of(user).exclude(pk=OuterRef("pk")).annotate(folded=Lower("name"))
        return self.annotate(has_namesake=Exists(others.filter(folded=Lower(OuterRef("name")))))

    def by_name(self) -> ProjectQuerySet:
        """The order in which people look for a project."""
        return self.order_by(Lower("name"), "pk")

    def with_key_counts(self) -> ProjectQuerySet:
        """With `key_count`, the number of living keys. Which keys are alive is said by their app, above this one."""
        keys: Any = self.model._meta.get_field("api_keys").related_model
        of_project = keys.objects.alive().filter(project=OuterRef("pk")).order_by().values("project")
        number = of_project.annotate(number=Count("pk")).values("number")
        return self.annotate(key_count=Coalesce(Subquery(number), 0))


class Project(models.Model):
    """The container of keys and files. A deleted project stays as a tombstone, so that the events of its keys stay
    readable.
    """

    public_id = models.CharField(max_length=20, unique=True, default=new_project_id, editable=False)
    name = models.CharField(max_length=MAX_LENGTH)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="created_projects")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    form_token = models.CharField(max_length=64, null=True, editable=False)
    show_once = models.BooleanField(
        default=False, db_default=False, help_text="A key's secret is shown at its creation only, and stored nowhere."
    )
    # A rate limit and a quota for all keys together, which the operator sets. The app of keys says what stands here.
    limits = models.JSONField(null=True, editable=False)

    members: models.ManyToManyField[User, Membership] = models.ManyToManyField(
        User, through="Membership", related_name="projects"
    )

    objects = ProjectQuerySet.as_manager()

    # The role and the membership by which `access.get_project` found the project; None if it was loaded in another way.
    role: Role | None = None
    membership: Membership | None = None

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["created_by", "form_token"], name="project_once_per_submitted_form"),
        ]

    def __str__(self) -> str:
        return self.name


class MembershipQuerySet(models.QuerySet["Membership"]):
    def that(self, can: Permission) -> MembershipQuerySet:
        """Members whose role allows `can`."""
        return self.filter(role__in=roles_that(can))

    def active(self) -> MembershipQuerySet:
        """Members who can sign in: their accounts are neither deactivated nor deleted."""
        return self.filter(user__is_active=True, user__deleted_at=None)

    def mailed(self, about: str | None = None) -> MembershipQuerySet:
        """Members who get the emails about keys that were `about`: created, deleted, revealed, reported,
        ending, or used from a new address (new_address).

        Without `about`, all owners, because nobody can switch off some emails.
        """
        if about is None:
            return self.active().that(Permission.OWN_PROJECT)
        return self.active().that(Permission.GET_MAILS).filter(**{f"mail_{about}": True})


class Membership(models.Model):
    """A person's role in a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    # Only `change_member` ends a membership, because it tells the people concerned.
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=CODE_LENGTH, choices=Role.choices, default=Role.OWNER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Which events of the project's keys an owner is emailed about.
    mail_created = models.BooleanField(default=True, db_default=True)
    mail_deleted = models.BooleanField(default=True, db_default=True)
    mail_revealed = models.BooleanField(default=True, db_default=True)
    mail_reported = models.BooleanField(default=True, db_default=True)
    mail_ending = models.BooleanField(default=True, db_default=True)
    mail_new_address = models.BooleanField(default=False, db_default=False)
    # When one of these choices or the role last changed, or an email to the owner was lost; None for never. Earlier
    # events count as not told.
    mails_chosen_at = models.DateTimeField(null=True, editable=False)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once_per_project_and_user"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.project} ({self.role})"


def blob_path(file: File, filename: str) -> str:
    """Where an upload's bytes are stored: a random name, so that nothing that the uploader chose reaches the file
    system.
    """
    return f"{file.project.public_id}/{secrets.token_hex(16)}"


class File(models.Model):
    """A file of a project, the API's built-in resource."""

    public_id = models.CharField(max_length=21, unique=True, default=new_file_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(help_text="bytes")
    content_type = models.CharField(max_length=100)
    blob = models.FileField(upload_to=blob_path, max_length=200)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["project", "-created_at", "-id"], name="file_newest_of_project")]

    def __str__(self) -> str:
        return self.name


# Django finds the model of this room here.
from projects.invitations import models as _invitations  # noqa: E402, F401
