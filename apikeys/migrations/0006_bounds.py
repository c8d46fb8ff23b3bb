"""What restricts a key, the budgets of its limits, and the outcomes of requests that these refuse."""

from django.db import migrations, models
from django.db.models import Q

OUTCOMES = [
    ("ok", "allowed"),
    ("paused", "paused"),
    ("expired", "expired"),
    ("deleted", "deleted"),
    ("forbidden", "account deactivated"),
    ("address", "address not allowed"),
    ("access", "access not allowed"),
    ("rate", "rate limit"),
    ("quota", "quota"),
]


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0005_people")]

    operations = [
        migrations.AddField("apikey", "restrictions", models.JSONField(null=True)),
        migrations.CreateModel(
            name="Budget",
            fields=[
                ("name", models.CharField(max_length=60, primary_key=True, serialize=False)),
                ("starts", models.BigIntegerField()),
                ("used", models.BigIntegerField()),
                ("block", models.BigIntegerField()),
                ("amount", models.BigIntegerField()),
                ("mailed_percent", models.SmallIntegerField(db_default=0, default=0)),
                ("mailed_starts", models.BigIntegerField(db_default=0, default=0)),
            ],
        ),
        migrations.AlterField("keyuse", "outcome", models.CharField(choices=OUTCOMES, max_length=32)),
        migrations.AlterField("projectuse", "outcome", models.CharField(choices=OUTCOMES, max_length=32)),
        migrations.RemoveConstraint("keyuse", "keyuse_outcome_is_known"),
        migrations.AddConstraint(
            "keyuse",
            models.CheckConstraint(
                condition=Q(outcome__in=[code for code, _ in OUTCOMES]), name="keyuse_outcome_is_known"
            ),
        ),
    ]
