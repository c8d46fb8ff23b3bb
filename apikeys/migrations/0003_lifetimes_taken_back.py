"""Taking lifetimes back: the previous release knows no ends, so a key that has ended becomes a paused key.

Ends that lie ahead and the instants at which pauses end are lost with their columns.
"""

from django.db import migrations
from django.db.models import F, Q
from django.db.models.functions import Now


def pause_ended_keys(apps, schema_editor):
    keys = apps.get_model("apikeys", "ApiKey").objects
    lapsed = keys.filter(state="paused", resumes_at__lte=Now())
    lapsed.update(state="active", paused_at=None, pause_reason="", resumes_at=None, pause_note="")
    ended = keys.filter(Q(state="ended") | Q(state="active", expires_at__lte=Now()))
    ended.update(state="paused", paused_at=F("expires_at"))
    for model in ("KeyUse", "ProjectUse"):
        apps.get_model("apikeys", model).objects.filter(outcome="expired").delete()


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0002_lifetimes")]

    operations = [migrations.RunPython(migrations.RunPython.noop, pause_ended_keys)]
