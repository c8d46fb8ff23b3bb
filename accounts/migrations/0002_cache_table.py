from django.core.management import call_command
from django.db import migrations


def create_cache_table(apps, schema_editor):
    call_command("createcachetable", "cache", database=schema_editor.connection.alias, verbosity=0)


def drop_cache_table(apps, schema_editor):
    schema_editor.execute("DROP TABLE IF EXISTS cache")


class Migration(migrations.Migration):
    """The table of the database cache, in which limits are counted; made with CACHE_URL too, which may go again."""

    dependencies = [("accounts", "0001_users")]
    operations = [migrations.RunPython(create_cache_table, drop_cache_table)]
