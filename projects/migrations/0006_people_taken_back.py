"""Taking people back: the previous release knows neither developers nor events of these kinds."""

from django.db import migrations

KINDS = [
    "member_joined",
    "member_left",
    "invited",
    "invitation_resent",
    "invitation_link_copied",
    "invitation_revoked",
    "key_offered",
    "key_offer_declined",
    "key_offer_withdrawn",
    "key_handed_over",
]


def take_back(apps, schema_editor):
    """Developers become viewers, the most that the previous release can give them without making them owners."""
    events = apps.get_model("projects", "AuditEvent").objects
    events.filter(kind__in=KINDS).delete()
    events.filter(role="developer").update(role="viewer")
    apps.get_model("projects", "Membership").objects.filter(role="developer").update(role="viewer")


class Migration(migrations.Migration):
    dependencies = [("projects", "0005_people")]

    operations = [migrations.RunPython(migrations.RunPython.noop, take_back)]
