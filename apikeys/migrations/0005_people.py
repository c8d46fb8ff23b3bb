"""The person responsible for a key, the person who created it, and offers of keys.

The column `created_by_id` keeps its name: the previous release reads the person responsible there.
"""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

OUTCOMES = [
    ("ok", "allowed"),
    ("paused", "paused"),
    ("expired", "expired"),
    ("deleted", "deleted"),
    ("forbidden", "account deactivated"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_people"),
        ("apikeys", "0004_stored_addresses"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("apikey", "created_by", "responsible"),
                migrations.AlterField(
                    "apikey",
                    "responsible",
                    models.ForeignKey(
                        db_column="created_by_id",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="keys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ]
        ),
        migrations.AddField(
            "apikey",
            "creator",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField("keyuse", "outcome", models.CharField(choices=OUTCOMES, max_length=32)),
        migrations.AlterField("projectuse", "outcome", models.CharField(choices=OUTCOMES, max_length=32)),
        migrations.CreateModel(
            name="KeyOffer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("offered_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="offer", to="apikeys.apikey"
                    ),
                ),
                (
                    "to",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="offered_keys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
