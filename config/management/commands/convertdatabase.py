"""Makes a database from before version 0.1.0 one of version 0.1.0, in one transaction."""

from typing import Any, NamedTuple

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import StateApps
from django.db.models import CheckConstraint, Q

from accounts import address_clashes
from accounts.second_factors import secrets_at_rest
from apikeys.management.key_commands import named
from common.installation import MANAGE
from common.plurals import counted
from config import older_database
from projects.management.operator_command import Answer, OperatorCommand

GUIDE = 'See "Databases from before version 0.1.0" in docs/upgrading.md.'

# What the new migrations are called. The command leads to their state, also where a later release has more migrations.
OF_V0_1_0 = [
    ("accounts", "0001_v0_1_0"),
    ("apikeys", "0001_v0_1_0"),
    ("outbox", "0001_v0_1_0"),
    ("projects", "0001_v0_1_0"),
    ("projects", "0002_v0_1_0_audit_log"),
]

# The columns that version 0.1.0 made wider, with their former widths.
WIDENED = {
    ("apikeys", "ApiKey"): {"state": 8, "pause_reason": 8},
    ("apikeys", "KeyUse"): {"span": 5, "outcome": 9},
    ("apikeys", "ProjectUse"): {"outcome": 9},
    ("projects", "AuditEvent"): {"role": 16},
    ("projects", "Membership"): {"role": 16},
}


# Version 0.1.0 has another constraint in the place of this one.
FORMER_CONSTRAINT, NEW_CONSTRAINT = "apikey_pause_reason_is_known", "apikey_pause_reason_while_paused"


class Converted(NamedTuple):
    columns: int
    addresses: int
    second_factors: int
    sessions: int


class _RolledBack(Exception):
    """Ends the transaction of a dry run."""


class Command(OperatorCommand):
    help = (
        "Make a database from before version 0.1.0 one of version 0.1.0. Stop all servers and make a backup first. It "
        "changes everything in one transaction, and does nothing if there is nothing to convert."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="Do the same and undo it: show what would change.")

    def answer(self, **options: Any) -> Answer:
        try:
            if not _is_older():
                return Answer({"converted": False}, "Nothing to convert: this database is not an older one.")
            converted = _convert(dry_run=options["dry_run"])
        except DatabaseError as error:
            raise CommandError(
                f"Nothing was converted: {error}. Stop all servers that use this database. {GUIDE}"
            ) from error
        if not options["dry_run"]:
            _empty_free_pages()
        return _answer(converted, dry_run=options["dry_run"])


def _is_older() -> bool:
    """Raises CommandError if the database lacks some of the former migrations."""
    applied = MigrationRecorder(connection).applied_migrations().keys()
    if older_database.problem(applied) is None:
        return False
    if missing := sorted(older_database.FORMER - applied):
        raise CommandError(
            f"This database lacks {named([' '.join(one) for one in missing], 'migration')}. Check out the last commit "
            f"before v0.1.0, run manage.py migrate there, and come back. {GUIDE}"
        )
    return True


def _convert(*, dry_run: bool) -> Converted:
    """Raises CommandError if second factors cannot be encrypted, and DatabaseError; nothing is changed then."""
    apps = _apps_of_v0_1_0()
    try:
        # SQLite remakes tables, and switches foreign keys off for that. It can do so only before a transaction.
        with connection.schema_editor() as editor:
            # The columns come first: PostgreSQL alters no table whose changed rows still wait for a check.
            _replace_constraint(editor, apps)
            converted = Converted(_widen(editor, apps), _settle(apps), _encrypt_second_factors(), _end_sessions())
            _replace_migrations()
            if dry_run:
                raise _RolledBack
    except _RolledBack:
        pass
    return converted


def _apps_of_v0_1_0() -> StateApps:
    """Our models as version 0.1.0 has them, and those of sign-in as they are now."""
    loader = MigrationLoader(connection)
    others = [leaf for leaf in loader.graph.leaf_nodes() if leaf[0] == "account"]
    apps: StateApps = loader.project_state([*OF_V0_1_0, *others]).apps
    return apps


def _widen(editor: BaseDatabaseSchemaEditor, apps: StateApps) -> int:
    for (app, name), widths in WIDENED.items():
        model: Any = apps.get_model(app, name)
        for column, width in widths.items():
            wide = model._meta.get_field(column)
            narrow = wide.clone()
            narrow.max_length = width
            narrow.set_attributes_from_name(column)
            narrow.model = model
            editor.alter_field(model, narrow, wide)
    return sum(map(len, WIDENED.values()))


def _replace_constraint(editor: BaseDatabaseSchemaEditor, apps: StateApps) -> None:
    model: Any = apps.get_model("apikeys", "ApiKey")
    [new] = [constraint for constraint in model._meta.constraints if constraint.name == NEW_CONSTRAINT]
    editor.remove_constraint(model, CheckConstraint(condition=Q(pk__isnull=False), name=FORMER_CONSTRAINT))
    editor.add_constraint(model, new)


def _settle(apps: StateApps) -> int:
    return address_clashes.settle(apps.get_model("accounts", "User"), apps.get_model("account", "EmailAddress"))


def _encrypt_second_factors() -> int:
    """Those that are stored in plain form; how many there were."""
    changed = 0
    try:
        for row in secrets_at_rest.rows():
            plain, row.data = row.data, secrets_at_rest.with_secrets(row.data, _sealed)
            if row.data != plain:
                row.save(update_fields=["data"])
                changed += 1
    except secrets_at_rest.SecondFactorUnavailable as error:
        raise CommandError(
            f"Nothing was converted: second factors cannot be encrypted. Set KEY_RING as the servers have it. {GUIDE}"
        ) from error
    return changed


def _sealed(stored: str) -> str:
    return stored if secrets_at_rest.ring_key_of(stored) else secrets_at_rest.seal(stored)


def _end_sessions() -> int:
    """The older database holds them in plain form. People sign in again."""
    UserSession.objects.all().delete()
    return Session.objects.all().delete()[0]


def _replace_migrations() -> None:
    recorder = MigrationRecorder(connection)
    for app, name in older_database.FORMER:
        recorder.record_unapplied(app, name)
    for app, name in OF_V0_1_0:
        recorder.record_applied(app, name)


def _empty_free_pages() -> None:
    """Rewrites SQLite's file and journal, which would still contain the old rows. PostgreSQL vacuums by itself."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _answer(converted: Converted, *, dry_run: bool) -> Answer:
    done = [
        f"{counted(converted.columns, 'column')} wider",
        f"{counted(converted.addresses, 'email address')} in canonical form",
        f"{counted(converted.second_factors, 'second factor')} encrypted",
        f"{counted(converted.sessions, 'session')} ended",
    ]
    text = ", ".join(done)
    if dry_run:
        text = f"A dry run, nothing is changed. The conversion makes: {text}."
    else:
        text = f"Converted to version 0.1.0: {text}. Next, run: {MANAGE} migrate"
    return Answer({"converted": not dry_run, **converted._asdict()}, text)
