"""Members and their roles, invitations, and the kinds of events about them."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import projects.invitations.models


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0005_people"),
        ("projects", "0004_lifetimes_taken_back"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=projects.invitations.models.new_invitation_id,
                        editable=False,
                        max_length=20,
                        unique=True,
                    ),
                ),
                ("email", models.EmailField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "Owner"), ("developer", "Developer"), ("viewer", "Viewer")], max_length=32
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField()),
                ("mailed_digest", models.BinaryField(max_length=32, null=True, unique=True)),
                ("link_digest", models.BinaryField(max_length=32, null=True, unique=True)),
                ("accepted_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="auditevent",
            name="auditevent_names_its_member",
        ),
        migrations.RemoveConstraint(
            model_name="auditevent",
            name="auditevent_kind_is_known",
        ),
        migrations.RemoveConstraint(
            model_name="auditevent",
            name="auditevent_names_its_key",
        ),
        migrations.RemoveConstraint(
            model_name="auditevent",
            name="auditevent_has_names_of_a_change",
        ),
        migrations.RemoveConstraint(
            model_name="membership",
            name="membership_role_is_known",
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="role",
            field=models.CharField(
                blank=True,
                choices=[("owner", "Owner"), ("developer", "Developer"), ("viewer", "Viewer")],
                db_default="",
                default="",
                max_length=32,
            ),
        ),
        migrations.AlterField(
            model_name="membership",
            name="role",
            field=models.CharField(
                choices=[("owner", "Owner"), ("developer", "Developer"), ("viewer", "Viewer")],
                default="owner",
                max_length=32,
            ),
        ),
        migrations.AddConstraint(
            model_name="auditevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "copied",
                            "created",
                            "deleted",
                            "end_changed",
                            "ended",
                            "ended_quiet",
                            "expired",
                            "file_deleted",
                            "forgotten",
                            "invitation_link_copied",
                            "invitation_resent",
                            "invitation_revoked",
                            "invited",
                            "key_handed_over",
                            "key_offer_declined",
                            "key_offer_withdrawn",
                            "key_offered",
                            "member_added",
                            "member_changed",
                            "member_joined",
                            "member_left",
                            "member_removed",
                            "notifications_changed",
                            "pause_changed",
                            "paused",
                            "paused_until",
                            "project_renamed",
                            "renamed",
                            "reported",
                            "resumed",
                            "resumed_itself",
                            "resumed_reported",
                            "revealed",
                            "revived",
                            "rolled",
                            "shown_again",
                            "shown_once",
                        ],
                    )
                ),
                name="auditevent_kind_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="auditevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("key__isnull", False),
                        (
                            "kind__in",
                            [
                                "copied",
                                "created",
                                "deleted",
                                "end_changed",
                                "ended",
                                "ended_quiet",
                                "expired",
                                "forgotten",
                                "key_handed_over",
                                "key_offer_declined",
                                "key_offer_withdrawn",
                                "key_offered",
                                "pause_changed",
                                "paused",
                                "paused_until",
                                "renamed",
                                "reported",
                                "resumed",
                                "resumed_itself",
                                "resumed_reported",
                                "revealed",
                                "revived",
                                "rolled",
                            ],
                        ),
                    ),
                    models.Q(
                        ("key__isnull", True),
                        (
                            "kind__in",
                            [
                                "invitation_link_copied",
                                "invitation_resent",
                                "invitation_revoked",
                                "invited",
                                "member_added",
                                "member_changed",
                                "member_joined",
                                "member_left",
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
        ),
        migrations.AddConstraint(
            model_name="auditevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        (
                            "kind__in",
                            ["member_added", "member_changed", "member_joined", "member_left", "member_removed"],
                        ),
                        ("member__isnull", False),
                        models.Q(("role", ""), _negated=True),
                    ),
                    models.Q(
                        ("kind__in", ["invitation_link_copied", "invitation_resent", "invitation_revoked", "invited"]),
                        ("member__isnull", True),
                        models.Q(("role", ""), _negated=True),
                    ),
                    models.Q(
                        models.Q(
                            (
                                "kind__in",
                                [
                                    "member_added",
                                    "member_changed",
                                    "member_joined",
                                    "member_left",
                                    "member_removed",
                                    "invitation_link_copied",
                                    "invitation_resent",
                                    "invitation_revoked",
                                    "invited",
                                ],
                            ),
                            _negated=True,
                        ),
                        ("member__isnull", True),
                        ("role", ""),
                    ),
                    _connector="OR",
                ),
                name="auditevent_names_its_member",
            ),
        ),
        migrations.AddConstraint(
            model_name="auditevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        (
                            "kind__in",
                            [
                                "end_changed",
                                "file_deleted",
                                "invitation_link_copied",
                                "invitation_resent",
                                "invitation_revoked",
                                "invited",
                                "key_handed_over",
                                "key_offer_withdrawn",
                                "key_offered",
                                "notifications_changed",
                                "pause_changed",
                                "paused_until",
                                "project_renamed",
                                "renamed",
                                "revived",
                                "rolled",
                            ],
                        ),
                        models.Q(("before", ""), _negated=True),
                    ),
                    models.Q(
                        models.Q(
                            (
                                "kind__in",
                                [
                                    "end_changed",
                                    "file_deleted",
                                    "invitation_link_copied",
                                    "invitation_resent",
                                    "invitation_revoked",
                                    "invited",
                                    "key_handed_over",
                                    "key_offer_withdrawn",
                                    "key_offered",
                                    "notifications_changed",
                                    "pause_changed",
                                    "paused_until",
                                    "project_renamed",
                                    "renamed",
                                    "revived",
                                    "rolled",
                                ],
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
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["owner", "developer", "viewer"])), name="membership_role_is_known"
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="accepted_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="invitations", to="projects.project"
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("accepted_at", None), ("revoked_at", None)),
                fields=("project", "email"),
                name="invitation_once_while_pending",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["owner", "developer", "viewer"])), name="invitation_role_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("accepted_at__isnull", True), ("accepted_by__isnull", True)),
                    models.Q(
                        ("accepted_at__isnull", False), ("accepted_by__isnull", False), ("revoked_at__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="invitation_accepted_by_a_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("accepted_at__isnull", True), ("revoked_at__isnull", True)),
                    models.Q(("link_digest__isnull", True), ("mailed_digest__isnull", True)),
                    _connector="OR",
                ),
                name="invitation_has_tokens_while_pending",
            ),
        ),
    ]
