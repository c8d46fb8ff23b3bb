"""A person's name, and accounts that their people deleted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_v0_1_0")]

    operations = [
        migrations.AddField("user", "name", models.CharField(blank=True, db_default="", default="", max_length=64)),
        migrations.AddField("user", "deleted_at", models.DateTimeField(editable=False, null=True)),
    ]
