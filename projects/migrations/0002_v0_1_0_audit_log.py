"""The audit log, as version 0.1.0 has it. It has a file of its own, because its rows refer to projects and API keys."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import projects.audit_log.kinds


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0001_v0_1_0"),
        ("projects", "0001_v0_1_0"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=projects.audit_log.kinds.choices, max_length=32)),
                (
                    "role",
                    models.CharField(
                        blank=True,
                        choices=[("owner", "Owner"), ("viewer", "Viewer")],
                        db_default="",
                        default="",
                        max_length=32,
                    ),
                ),
                ("address", models.GenericIPAddressField(null=True)),
                ("source", models.CharField(blank=True, db_default="", default="", max_length=500)),
                ("before", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("after", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="audit_events",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="apikeys.apikey",
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="audit_events", to="projects.project"
                    ),
                ),
            ],
            options={
                "verbose_name": "audit event",
                "ordering": ["-at", "-id"],
                "indexes": [
                    models.Index(fields=["project", "-at", "-id"], name="auditevent_newest_of_project"),
                    models.Index(fields=["project", "kind", "-at", "-id"], name="auditevent_of_a_kind"),
                    models.Index(fields=["project", "by", "-at", "-id"], name="auditevent_by_a_person"),
                    models.Index(fields=["key", "-at", "-id"], name="auditevent_of_a_key"),
                    models.Index(fields=["project", "by", "address"], name="auditevent_from_where"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "copied",
                                    "created",
                                    "deleted",
                                    "file_deleted",
                                    "forgotten",
                                    "member_added",
                                    "member_changed",
                                    "member_removed",
                                    "notifications_changed",
                                    "paused",
                                    "project_renamed",
                                    "renamed",
                                    "reported",
                                    "resumed",
                                    "resumed_reported",
                                    "revealed",
                                    "shown_again",
                                    "shown_once",
                                ],
                            )
                        ),
                        name="auditevent_kind_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("key__isnull", False),
                                (
                                    "kind__in",
                                    [
                                        "copied",
                                        "created",
                                        "deleted",
                                        "forgotten",
                                        "paused",
                                        "renamed",
                                        "reported",
                                        "resumed",
                                        "resumed_reported",
                                        "revealed",
                                    ],
                                ),
                            ),
                            models.Q(
                                ("key__isnull", True),
                                (
                                    "kind__in",
                                    [
                                        "member_added",
                                        "member_changed",
                                        "member_removed",
                                        "notifications_changed",
                                        "project_renamed",
                                        "shown_again",
                                        "shown_once",
                                    ],
                                ),
                            ),
                            ("kind__in", ["file_deleted"]),
                            _connector="OR",
                        ),
                        name="auditevent_names_its_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("kind__in", ["member_added", "member_changed", "member_removed"]),
                                ("member__isnull", False),
                                models.Q(("role", ""), _negated=True),
                            ),
                            models.Q(
                                models.Q(
                                    ("kind__in", ["member_added", "member_changed", "member_removed"]), _negated=True
                                ),
                                ("member__isnull", True),
                                ("role", ""),
                            ),
                            _connector="OR",
                        ),
                        name="auditevent_names_its_member",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("kind__in", ["file_deleted", "notifications_changed", "project_renamed", "renamed"]),
                                models.Q(("before", ""), _negated=True),
                            ),
                            models.Q(
                                models.Q(
                                    (
                                        "kind__in",
                                        ["file_deleted", "notifications_changed", "project_renamed", "renamed"],
                                    ),
                                    _negated=True,
                                ),
                                ("after", ""),
                                ("before", ""),
                            ),
                            _connector="OR",
                        ),
                        name="auditevent_has_names_of_a_change",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["reported"]), ("source", ""), _connector="OR"),
                        name="auditevent_source_is_of_a_report",
                    ),
                ],
            },
        ),
    ]
