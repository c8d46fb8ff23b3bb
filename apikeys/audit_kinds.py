"""The kinds of events that keys and their secrets have."""

from common.security_log import Event
from projects.audit_log.kinds import A_HOLDER, NOBODY, Email, Kind, Subject, register

CHECK_ACCOUNTS = "change your password and sign out your other sessions"

CREATED = register(
    Kind(
        "created",
        Subject.KEY,
        "Key created",
        "{by} created {key}",
        "plus",
        Event.KEY_CREATED,
        Email(
            "created",
            "API key created",
            "An API key was created.",
            f"If this was not you or someone you trust, delete the key, then {CHECK_ACCOUNTS}.",
        ),
    )
)
RENAMED = register(
    Kind(
        "renamed",
        Subject.KEY,
        "Key renamed",
        "{by} renamed the key {before} to {after}",
        "pencil",
        Event.KEY_RENAMED,
        NOBODY,
        names=True,
    )
)
_COPIED_EMAIL = Email(
    "revealed",
    "API key copied from a new address",
    "The secret of an API key was copied, from an address that may be new to you.",
    f"If this was not you or someone you trust, pause the key, create a new one, then {CHECK_ACCOUNTS}.",
    only_from_new_addresses=True,
)
COPIED = register(
    Kind(
        "copied",
        Subject.KEY,
        "Key copied",
        "{by} copied {key}",
        "clipboard-document",
        Event.KEY_COPIED,
        _COPIED_EMAIL,
    )
)
REVEALED = register(
    Kind(
        "revealed",
        Subject.KEY,
        "Key revealed",
        "{by} revealed {key}",
        "eye",
        Event.KEY_REVEALED,
        _COPIED_EMAIL._replace(
            subject="API key revealed from a new address",
            what="The secret of an API key was revealed, from an address that may be new to you.",
        ),
    )
)
# Nobody is emailed about a pause. So a pause does not make its address known to the owners either: a thief of a session
# cannot make an address known in silence.
PAUSED = register(Kind("paused", Subject.KEY, "Key paused", "{by} paused {key}", "pause", Event.KEY_PAUSED, NOBODY))
RESUMED = register(
    Kind("resumed", Subject.KEY, "Key re-enabled", "{by} re-enabled {key}", "play", Event.KEY_RESUMED, NOBODY)
)
RESUMED_REPORTED = register(
    Kind(
        "resumed_reported",
        Subject.KEY,
        "Reported key re-enabled",
        "{by} re-enabled the reported key {key}",
        "play",
        Event.KEY_RESUMED_REPORTED,
        # No switch: a thief of a session could switch it off first.
        Email(
            None,
            "Reported API key re-enabled",
            "An API key that was reported as leaked was re-enabled. Requests with it are let in again, also those of "
            "whoever else has its secret.",
            f"If this was not you or someone you trust, pause the key, create a new one, then {CHECK_ACCOUNTS}.",
        ),
    )
)
DELETED = register(
    Kind(
        "deleted",
        Subject.KEY,
        "Key deleted",
        "{by} deleted {key}",
        "trash",
        Event.KEY_DELETED,
        Email(
            "deleted",
            "API key deleted",
            "An API key was deleted, for good. Requests with it are refused.",
            "If this was not you or someone you trust, create a new key for what used it, then " + CHECK_ACCOUNTS + ".",
        ),
    )
)
REPORTED = register(
    Kind(
        "reported",
        Subject.KEY,
        "Key reported as leaked",
        f"{A_HOLDER} reported {{key}} as leaked",
        "shield-exclamation",
        Event.KEY_REPORTED,
        Email(
            "reported",
            "API key reported as leaked",
            "Somebody who holds the secret of an API key reported it as leaked. Latchkey has paused the key: every "
            "request with it is refused.",
            "Create a new key, switch your programs to it, then delete this one.",
        ),
        has_source=True,
        by_anybody=True,
    )
)
FORGOTTEN = register(
    Kind(
        "forgotten",
        Subject.KEY,
        "Stored secret destroyed",
        "{by} destroyed the stored secret of {key}",
        "eye-slash",
        Event.KEY_FORGOTTEN,
        NOBODY,
    )
)
SHOWN_ONCE = register(
    Kind(
        "shown_once",
        Subject.PROJECT,
        "Secrets shown once",
        "{by} chose that secrets are shown once",
        "eye-slash",
        Event.KEY_SHOWN_ONCE,
        NOBODY,
    )
)
SHOWN_AGAIN = register(
    Kind(
        "shown_again",
        Subject.PROJECT,
        "Secrets can be shown again",
        "{by} chose that secrets can be shown again",
        "eye",
        Event.KEY_SHOWN_AGAIN,
        # No switch: a thief of a session could switch it off first, and then have secrets stored that were not to be.
        Email(
            None,
            "Secrets can be shown again",
            "The secrets of this project's API keys were shown once. From now on new ones are stored, encrypted, and "
            "can be shown again.",
            'If this was not you or someone you trust, choose "Show secrets once" again, replace the keys that were '
            f"created in between, then {CHECK_ACCOUNTS}.",
            section="show-once",
        ),
    )
)
