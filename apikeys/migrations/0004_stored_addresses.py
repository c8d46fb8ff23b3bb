"""When the addresses that use a key were stored, so that owners are told of new ones."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0003_lifetimes_taken_back")]

    operations = [
        migrations.CreateModel(
            name="CallersCompared",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("until", models.DateTimeField()),
            ],
            options={"verbose_name_plural": "callers compared"},
        ),
        migrations.AddField(
            model_name="keycaller",
            name="stored_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddIndex(
            model_name="keycaller",
            index=models.Index(fields=["stored_at"], name="keycaller_newest"),
        ),
    ]
