"""A change of a member's role names the role before and after, and the values of a change have more room.

The previous release writes events of changed roles without these names, also while it runs beside this one.
"""

from django.db import migrations, models
from django.db.models.functions import Left, Length

SHORT = 255


def take_back(apps, schema_editor):
    """The previous release knows no names in events of changed roles, and only short values."""
    events = apps.get_model("projects", "AuditEvent").objects
    events.filter(kind="member_changed").update(before="", after="")
    for column in ("before", "after"):
        long = events.annotate(length=Length(column)).filter(length__gt=SHORT)
        long.update(**{column: Left(column, SHORT)})


class Migration(migrations.Migration):
    dependencies = [("projects", "0006_people_taken_back")]

    operations = [
        migrations.RemoveConstraint(
            model_name="auditevent",
            name="auditevent_has_names_of_a_change",
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="after",
            field=models.CharField(blank=True, db_default="", default="", max_length=8000),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="before",
            field=models.CharField(blank=True, db_default="", default="", max_length=8000),
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
                        ("kind__in", ["member_changed"]),
                        models.Q(models.Q(("before", ""), _negated=True), ("after", ""), _connector="OR"),
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
                                    "member_changed",
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
        migrations.RunPython(migrations.RunPython.noop, take_back),
    ]
