from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from common.names import CODE_LENGTH
from projects.audit_kinds import MEMBER_ADDED
from projects.audit_log import kinds
from projects.audit_log.kinds import Subject
from projects.permissions import Role

kinds.discover()

_OF_MEMBERS = kinds.codes_of(Subject.MEMBER)
_OF_INVITATIONS = kinds.codes_of(Subject.INVITATION)
_WITH_NAMES = [kind.code for kind in kinds.all_kinds() if kind.names and not kind.sentence_without_names]
_MAY_HAVE_NAMES = [kind.code for kind in kinds.all_kinds() if kind.sentence_without_names]
# Enough for 100 scopes of 64 characters, the longest value of a key that can be changed.
CHANGE_LENGTH = 8_000
# One transaction writes a project and its first event.
A_CREATION = timedelta(minutes=1)
_WITH_SOURCE = [kind.code for kind in kinds.all_kinds() if kind.has_source]


class AuditEvent(models.Model):
    """Who did what in a project, when, and from where. `recording.record` writes it once; nothing changes it."""

    project = models.ForeignKey("projects.Project", on_delete=models.PROTECT, related_name="audit_events")
    kind = models.CharField(max_length=CODE_LENGTH, choices=kinds.choices)
    # The apps of keys lie above this one, so the key is named by a string. `of_a_key` is its index.
    key = models.ForeignKey(
        "apikeys.ApiKey", on_delete=models.PROTECT, null=True, related_name="events", db_index=False
    )
    # The person whom an event of a member is about, with the new role. A removed member has the last role.
    member = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    role = models.CharField(max_length=CODE_LENGTH, choices=Role.choices, blank=True, default="", db_default="")
    # None for an operator's command, and for kinds that anybody can cause.
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="audit_events")
    address = models.GenericIPAddressField(null=True)
    # The web address where a leaked secret was found, in the words of the person or program that reported it.
    source = models.CharField(max_length=500, blank=True, default="", db_default="")
    # A name, or another value in words, before and after the change.
    before = models.CharField(max_length=CHANGE_LENGTH, blank=True, default="", db_default="")
    after = models.CharField(max_length=CHANGE_LENGTH, blank=True, default="", db_default="")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "audit event"
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["project", "-at", "-id"], name="auditevent_newest_of_project"),
            # The filters of the Activity page.
            models.Index(fields=["project", "kind", "-at", "-id"], name="auditevent_of_a_kind"),
            models.Index(fields=["project", "by", "-at", "-id"], name="auditevent_by_a_person"),
            models.Index(fields=["key", "-at", "-id"], name="auditevent_of_a_key"),
            # Whether a person has been at an address before. Every copy and every look at a secret asks this.
            models.Index(fields=["project", "by", "address"], name="auditevent_from_where"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=kinds.codes_of()), name="auditevent_kind_is_known"),
            models.CheckConstraint(
                condition=Q(kind__in=kinds.codes_of(Subject.KEY), key__isnull=False)
                | Q(kind__in=kinds.codes_of(Subject.MEMBER, Subject.INVITATION, Subject.PROJECT), key__isnull=True)
                | Q(kind__in=kinds.codes_of(Subject.FILE)),
                name="auditevent_names_its_key",
            ),
            models.CheckConstraint(
                condition=(Q(kind__in=_OF_MEMBERS, member__isnull=False) & ~Q(role=""))
                | (Q(kind__in=_OF_INVITATIONS, member__isnull=True) & ~Q(role=""))
                | (~Q(kind__in=_OF_MEMBERS + _OF_INVITATIONS) & Q(member__isnull=True, role="")),
                name="auditevent_names_its_member",
            ),
            models.CheckConstraint(
                condition=(Q(kind__in=_WITH_NAMES) & ~Q(before=""))
                | (Q(kind__in=_MAY_HAVE_NAMES) & (~Q(before="") | Q(after="")))
                | (~Q(kind__in=_WITH_NAMES + _MAY_HAVE_NAMES) & Q(before="", after="")),
                name="auditevent_has_names_of_a_change",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=_WITH_SOURCE) | Q(source=""), name="auditevent_source_is_of_a_report"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.key or self.member or self.before or self.project}"

    @property
    def is_creation(self) -> bool:
        """Whether the person created the project, and so became its first member.

        Staff may add themselves, also to a project that they created and left: that is an event of a later time.
        """
        by_the_creator = self.by_id == self.member_id == self.project.created_by_id
        return self.kind == MEMBER_ADDED.code and by_the_creator and self.at - self.project.created_at < A_CREATION
