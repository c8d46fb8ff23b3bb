"""Recognises a database from before version 0.1.0, for which the migrations were written anew.

The new migrations have names that no older database has among those that it has applied. A database is older if it has
one of the former names there. `convertdatabase` makes it one of version 0.1.0; until then it is refused.
"""

from collections.abc import Collection, Sequence
from typing import Any

from django.core import checks
from django.db import Error, connections
from django.db.migrations.recorder import MigrationRecorder

from common.installation import MANAGE

PROBLEM = f"This database was made before version 0.1.0. Run: {MANAGE} convertdatabase"

_FORMER = {
    "accounts": ("0001_users", "0002_cache_table", "0003_former_email", "0004_canonical_addresses"),
    "apikeys": (
        "0001_keys_and_events",
        "0002_use_by_hour_day_and_month",
        "0003_reports_and_show_once",
        "0004_events_from_where",
        "0005_events_of_the_project",
        "0006_events_of_members",
        "0007_reported_key_re_enabled",
        "0008_list_of_all_keys",
        "0009_source_of_a_report",
        "0010_events_move_to_the_audit_log",
    ),
    "outbox": ("0001_emails",),
    "projects": (
        "0001_projects_members_files",
        "0002_show_once_and_mails",
        "0003_when_mails_were_chosen",
        "0004_members_protected",
        "0005_audit_log",
    ),
}
FORMER = frozenset((app, name) for app, names in _FORMER.items() for name in names)


def problem(applied: Collection[tuple[str, str]]) -> str | None:
    """Why a database that has these migrations applied is refused; None if it is no older one."""
    return PROBLEM if FORMER.intersection(applied) else None


@checks.register(checks.Tags.database)
def refuse(*, databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """`migrate` runs this check first. Otherwise it would fail with "inconsistent migration history"."""
    errors: list[checks.CheckMessage] = []
    for alias in databases or ():
        try:
            found = problem(MigrationRecorder(connections[alias]).applied_migrations().keys())
        except Error:
            continue  # a database that cannot be asked is no matter of this check
        if found:
            errors.append(checks.Error(found, id="config.E001"))
    return errors
