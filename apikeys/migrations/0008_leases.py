from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0007_bounds_taken_back")]

    operations = [
        migrations.CreateModel(
            name="LeaseRegistration",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ("until", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="lease_registration_is_one_row")
                ],
            },
        ),
    ]
