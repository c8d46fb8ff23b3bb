"""Taking bounds back: the previous release knows no events of these kinds."""

from django.db import migrations

KINDS = ["access_changed", "networks_changed", "limits_changed", "project_limited"]


def take_back(apps, schema_editor):
    apps.get_model("projects", "AuditEvent").objects.filter(kind__in=KINDS).delete()


class Migration(migrations.Migration):
    dependencies = [("projects", "0008_bounds")]

    operations = [migrations.RunPython(migrations.RunPython.noop, take_back)]
