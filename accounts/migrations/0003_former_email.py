from django.db import migrations, models

import accounts.addresses


class Migration(migrations.Migration):
    """The previous release leaves the column empty, as it is for accounts whose address was never changed."""

    dependencies = [("accounts", "0002_cache_table")]
    operations = [
        migrations.AlterField(
            model_name="user",
            name="email",
            field=models.EmailField(
                max_length=254, unique=True, validators=[accounts.addresses.validate], verbose_name="e-mail address"
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="former_email",
            field=models.EmailField(db_index=True, editable=False, max_length=254, null=True),
        ),
    ]
