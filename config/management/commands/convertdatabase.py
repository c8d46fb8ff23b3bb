"""Makes a database from before version 0.1.0 one of version 0.1.0, in one transaction."""

from typing import Any, NamedTuple

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import StateApps

from accounts import address_clashes
from accounts.second_factors import secrets_at_rest
from accounts.sessions import store
from apikeys.management import stored_secrets
from apikeys.management.key_commands import counted, named
from config import older_database
from projects.management.operator_command import Answer, OperatorCommand

GUIDE = 'See "Databases from before version 0.1.0" in docs/running.md.'

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
            stored_secrets.empty_free_pages()
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
    """Raises CommandError if a second factor cannot be sealed, and DatabaseError; nothing is changed then."""
    apps = _apps_of_v0_1_0()
    try:
        # SQLite remakes tables, and switches foreign keys off for that. It can do so only before a transaction.
        with connection.schema_editor() as editor:
            # The columns come first: PostgreSQL alters no table whose changed rows still wait for a check.
            converted = Converted(_widen(editor, apps), _settle(apps), *_seal())
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


def _settle(apps: StateApps) -> int:
    return address_clashes.settle(apps.get_model("accounts", "User"), apps.get_model("account", "EmailAddress"))


def _seal() -> tuple[int, int]:
    """How many second factors and sessions took today's form. People stay signed in."""
    factors = secrets_at_rest.move_all()
    if plain := secrets_at_rest.count_plain():
        raise CommandError(
            f"Nothing was converted: {counted(plain, 'second factor')} cannot be encrypted. Set KEY_RING as the "
            f"servers have it. {GUIDE}"
        )
    return factors, store.move_all_to_digests()


def _replace_migrations() -> None:
    recorder = MigrationRecorder(connection)
    for app, name in older_database.FORMER:
        recorder.record_unapplied(app, name)
    for app, name in OF_V0_1_0:
        recorder.record_applied(app, name)


def _answer(converted: Converted, *, dry_run: bool) -> Answer:
    done = [
        f"{counted(converted.columns, 'column')} wider",
        f"{counted(converted.addresses, 'email address')} in canonical form",
        f"{counted(converted.second_factors, 'second factor')} encrypted",
        f"{counted(converted.sessions, 'session')} encrypted",
    ]
    text = ", ".join(done)
    if dry_run:
        text = f"A dry run, nothing is changed. The conversion makes: {text}."
    else:
        text = f"Converted to version 0.1.0: {text}. Next, run: manage.py migrate"
    return Answer({"converted": not dry_run, **converted._asdict()}, text)
