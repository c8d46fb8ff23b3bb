"""Events and email choices about the ends of keys."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0002_lifetimes"),
        ("projects", "0002_v0_1_0_audit_log"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
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
        migrations.AddField(
            model_name="membership",
            name="mail_ending",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddField(
            model_name="membership",
            name="mail_new_address",
            field=models.BooleanField(db_default=False, default=False),
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
                            "member_added",
                            "member_changed",
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
    ]
