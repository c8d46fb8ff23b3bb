"""The kinds of events that keys and their secrets have."""

from apikeys.bounds import bound_kinds  # noqa: F401  registers them
from common.security_log import Event
from projects.audit_log.kinds import NOBODY, Email, Kind, Subject, register

CHECK_ACCOUNTS = "{secure_account} and sign out your other sessions"

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
    "The secret of an API key was copied from an address that may be new to you.",
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
            what="The secret of an API key was revealed from an address that may be new to you.",
        ),
    )
)
# Nobody is emailed about a pause. So a pause does not make its address known to the owners either: a thief of a session
# cannot make an address known in silence.
PAUSED = register(Kind("paused", Subject.KEY, "Key paused", "{by} paused {key}", "pause", Event.KEY_PAUSED, NOBODY))
PAUSED_UNTIL = register(
    Kind(
        "paused_until",
        Subject.KEY,
        "Key paused until a time",
        "{by} paused {key} until {before}",
        "pause",
        Event.KEY_PAUSED_UNTIL,
        NOBODY,
        names=True,
    )
)
PAUSE_CHANGED = register(
    Kind(
        "pause_changed",
        Subject.KEY,
        "End of a pause changed",
        "{by} changed the end of the pause of {key} from {before} to {after}",
        "pause",
        Event.KEY_PAUSE_CHANGED,
        NOBODY,
        names=True,
    )
)
# Nobody is emailed: an owner chose the end of the pause.
RESUMED_ITSELF = register(
    Kind(
        "resumed_itself",
        Subject.KEY,
        "Key re-enabled by itself",
        "{key} was re-enabled by itself when its pause ended",
        "play",
        Event.KEY_RESUMED_ITSELF,
        NOBODY,
        by_anybody=True,
    )
)
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
            "An API key that was reported as leaked was re-enabled. Unless it has expired, or the account of the "
            "person responsible for it is deactivated, requests using it are allowed again, also from anyone else who "
            "has its secret.",
            f"If this was not you or someone you trust, pause the key, create a new one, then {CHECK_ACCOUNTS}.",
        ),
    )
)
# Owners choose ends, and are emailed before one comes (lifetimes/notices.py).
END_CHANGED = register(
    Kind(
        "end_changed",
        Subject.KEY,
        "Expiry changed",
        "{by} changed the expiry of {key} from {before} to {after}",
        "clock",
        Event.KEY_END_CHANGED,
        NOBODY,
        names=True,
    )
)
ENDED = register(
    Kind("ended", Subject.KEY, "Key expired by a person", "{by} let {key} expire", "clock", Event.KEY_ENDED, NOBODY)
)
EXPIRED = register(
    Kind(
        "expired",
        Subject.KEY,
        "Key expired",
        "{key} expired",
        "clock",
        Event.KEY_EXPIRED,
        NOBODY,
        by_anybody=True,
    )
)
ENDED_QUIET = register(
    Kind(
        "ended_quiet",
        Subject.KEY,
        "Quiet key expired",
        "{key} expired because it was quiet after its roll",
        "clock",
        Event.KEY_ENDED_QUIET,
        NOBODY,
        by_anybody=True,
    )
)
REVIVED = register(
    Kind(
        "revived",
        Subject.KEY,
        "Expired key works again",
        "{by} changed the expiry of the expired key {key} from {before} to {after}",
        "clock",
        Event.KEY_REVIVED,
        # No switch: a thief of a session could switch it off first.
        Email(
            None,
            "Expired API key works again",
            "The expiry of an API key that had expired was changed. Unless it is paused, or the account of the person "
            "responsible for it is deactivated, requests using it are allowed again.",
            f"If this was not you or someone you trust, let the key expire, then {CHECK_ACCOUNTS}.",
        ),
        names=True,
    )
)
# The new key has an event, and an email, of its own.
ROLLED = register(
    Kind(
        "rolled",
        Subject.KEY,
        "Key rolled",
        "{by} rolled {before} (the old key is now called {key})",
        "arrow-path",
        Event.KEY_ROLLED,
        NOBODY,
        names=True,
    )
)
# The person to whom the key is offered gets an email of their own.
OFFERED = register(
    Kind(
        "key_offered",
        Subject.KEY,
        "Key offered",
        "{by} offered {key} to {before}",
        "arrows-right-left",
        Event.KEY_OFFERED,
        NOBODY,
        names=True,
        names_person=True,
    )
)
OFFER_DECLINED = register(
    Kind(
        "key_offer_declined",
        Subject.KEY,
        "Offered key declined",
        "{by} declined to take {key} over",
        "arrows-right-left",
        Event.KEY_OFFER_DECLINED,
        NOBODY,
    )
)
# Also for an offer that ends because one of the two people may not make or accept it any more. `by` is then the person
# who took that right away.
OFFER_WITHDRAWN = register(
    Kind(
        "key_offer_withdrawn",
        Subject.KEY,
        "Offer of a key ended",
        "{by} ended the offer of {key} to {before}",
        "arrows-right-left",
        Event.KEY_OFFER_WITHDRAWN,
        NOBODY,
        names=True,
        names_person=True,
    )
)
HANDED_OVER = register(
    Kind(
        "key_handed_over",
        Subject.KEY,
        "Key handed over",
        "{by} handed {key} over from {before} to {after}",
        "arrows-right-left",
        Event.KEY_HANDED_OVER,
        # No switch: a thief of a session could switch it off first.
        Email(
            None,
            "API key handed over",
            "Another person is responsible for an API key now. The key works as before, and answers with their name.",
            f"If this was not you or someone you trust, roll the key or ask an owner to roll it, then "
            f"{CHECK_ACCOUNTS}.",
            why="You get this email because you own the project, or because the key works, or worked, in your name.",
        ),
        names=True,
        sentence_of_oneself="{by} took {key} over from {before}",
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
            "An API key was deleted for good. Requests using it are now rejected.",
            "If this was not you or someone you trust, create a new key for the programs that used it, then "
            f"{CHECK_ACCOUNTS}.",
        ),
    )
)
REPORTED = register(
    Kind(
        "reported",
        Subject.KEY,
        "Key reported as leaked",
        "{key} was reported as leaked",
        "shield-exclamation",
        Event.KEY_REPORTED,
        Email(
            "reported",
            "API key reported as leaked",
            "An API key was reported as leaked, by someone who has its secret. The server has paused the key: "
            "requests using it are now rejected.",
            "Roll the key, switch your programs to the new one, then delete the old one.",
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
        "Stopped storing secrets",
        "{by} stopped storing secrets",
        "eye-slash",
        Event.KEY_SHOWN_ONCE,
        NOBODY,
    )
)
SHOWN_AGAIN = register(
    Kind(
        "shown_again",
        Subject.PROJECT,
        "Started storing new secrets",
        "{by} started storing new secrets",
        "eye",
        Event.KEY_SHOWN_AGAIN,
        # No switch: a thief of a session could switch it off first, and then have secrets stored that were not to be.
        Email(
            None,
            "New secrets are stored",
            "This project did not store the secrets of its API keys. The secrets of new keys are now stored, "
            "encrypted, and can be copied again.",
            'If this was not you or someone you trust, press "Stop storing secrets", replace the keys that were '
            f"created in the meantime, then {CHECK_ACCOUNTS}.",
            section="show-once",
        ),
    )
)
