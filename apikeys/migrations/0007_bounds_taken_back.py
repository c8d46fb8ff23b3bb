"""Taking bounds back: the previous release knows no restrictions, so a restricted key becomes a paused key.

Otherwise it would be let in to everything.
"""

from django.db import migrations
from django.db.models.functions import Now

REFUSED = ["address", "access", "rate", "quota"]


def pause_restricted_keys(apps, schema_editor):
    keys = apps.get_model("apikeys", "ApiKey").objects
    restricted = keys.filter(state="active").exclude(restrictions=None)
    restricted.update(state="paused", paused_at=Now())
    for model in ("KeyUse", "ProjectUse"):
        apps.get_model("apikeys", model).objects.filter(outcome__in=REFUSED).delete()


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0006_bounds")]

    operations = [migrations.RunPython(migrations.RunPython.noop, pause_restricted_keys)]
