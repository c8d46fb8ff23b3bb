from django.apps import apps
from django.db import migrations

from accounts import address_clashes


def _models(old):
    return old.get_model("accounts", "User"), old.get_model("account", "EmailAddress")


def settle(apps, schema_editor):
    address_clashes.settle(*_models(apps))


def unsettle(apps, schema_editor):
    address_clashes.unsettle(*_models(apps))


class Migration(migrations.Migration):
    """Rows that the previous release adds meanwhile are found as they are; `checkaddresses --settle` does the rest."""

    # Projects that embed the check have no sign-in, and so no tables of allauth (docs/django.md). They never migrate.
    dependencies = [
        ("accounts", "0003_former_email"),
        *([("account", "0009_emailaddress_unique_primary_email")] if apps.is_installed("allauth.account") else []),
    ]
    operations = [migrations.RunPython(settle, unsettle)]
