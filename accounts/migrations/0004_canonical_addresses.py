from django.db import migrations

from accounts import address_clashes


def _models(apps):
    return apps.get_model("accounts", "User"), apps.get_model("account", "EmailAddress")


def settle(apps, schema_editor):
    address_clashes.settle(*_models(apps))


def unsettle(apps, schema_editor):
    address_clashes.unsettle(*_models(apps))


class Migration(migrations.Migration):
    """Rows that the previous release adds meanwhile are found as they are; `checkaddresses --settle` does the rest."""

    dependencies = [
        ("accounts", "0003_former_email"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]
    operations = [migrations.RunPython(settle, unsettle)]
