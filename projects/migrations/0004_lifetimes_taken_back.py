"""Taking lifetimes back: the previous release cannot store events of kinds that it does not know."""

from django.db import migrations

KINDS = [
    "paused_until",
    "pause_changed",
    "resumed_itself",
    "end_changed",
    "ended",
    "expired",
    "ended_quiet",
    "revived",
    "rolled",
]


def delete_events(apps, schema_editor):
    apps.get_model("projects", "AuditEvent").objects.filter(kind__in=KINDS).delete()


class Migration(migrations.Migration):
    dependencies = [("projects", "0003_lifetimes")]

    operations = [migrations.RunPython(migrations.RunPython.noop, delete_events)]
