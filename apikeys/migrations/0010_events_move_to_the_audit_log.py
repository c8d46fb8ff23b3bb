from django.core.management.color import no_style
from django.db import migrations

# The columns of the former table.
COLUMNS = "id, project_id, key_id, kind, member_id, role, by_id, address, source, at"
# The kinds that the former table knows. Taking the migration back loses events of other kinds.
KINDS = [
    *("created", "copied", "revealed", "paused", "resumed", "resumed_reported", "deleted", "reported", "forgotten"),
    *("shown_once", "shown_again", "member_added", "member_changed", "member_removed"),
]


def move(schema_editor, old, new, condition=""):
    """Moves all rows by one statement. They keep their ids, and the next id is higher."""
    connection, old_table = schema_editor.connection, old._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {new._meta.db_table} ({COLUMNS}) SELECT {COLUMNS} FROM {old_table} {condition}"  # noqa: S608
        )
        cursor.execute(f"DELETE FROM {old_table}")  # noqa: S608
        for statement in connection.ops.sequence_reset_sql(no_style(), [new]):
            cursor.execute(statement)


def to_the_audit_log(apps, schema_editor):
    move(schema_editor, apps.get_model("apikeys", "KeyEvent"), apps.get_model("projects", "AuditEvent"))


def back(apps, schema_editor):
    known = ", ".join(f"'{kind}'" for kind in KINDS)
    old, new = apps.get_model("projects", "AuditEvent"), apps.get_model("apikeys", "KeyEvent")
    move(schema_editor, old, new, condition=f"WHERE kind IN ({known})")


class Migration(migrations.Migration):
    """Events of keys and members become rows of the audit log, which every app can write to."""

    dependencies = [
        ("apikeys", "0009_source_of_a_report"),
        ("projects", "0005_audit_log"),
    ]

    operations = [
        migrations.RunPython(to_the_audit_log, back),
        migrations.DeleteModel(name="KeyEvent"),
    ]
