"""New tables only, so the previous release runs beside them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Claim",
            fields=[
                ("name", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("holder", models.CharField(blank=True, max_length=100)),
                ("ends_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="DailyTask",
            fields=[
                ("name", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("finished_at", models.DateTimeField()),
            ],
        ),
    ]
