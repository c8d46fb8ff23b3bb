"""Changes of the instant at which a key stops working."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from apikeys import audit_kinds
from apikeys.bounds.restrictions import Restrictions
from apikeys.bounds.services import restrict_key
from apikeys.keys import creation_limits
from apikeys.keys.end_limits import check_end, is_one_choice
from apikeys.keys.key_errors import KeyGone
from apikeys.keys.pausing import NOTHING_REFUSED, ask_again, write_down_end_of_pause
from apikeys.keys.services import rename_key
from apikeys.leases.held_answers import hold_answer
from apikeys.lifetimes.models import Notice
from apikeys.models import ApiKey
from apikeys.standing import EndReason, KeyState
from common.instants import in_words_or_never
from projects.audit_log.recording import record
from projects.locks import lock_for
from projects.permissions import Permission


class HasExpired(Exception):
    """The key's end has come, and nobody has confirmed that the key is to work again."""


class EndChanged(Exception):
    """Somebody else has changed the key's end since the person saw it."""


class NewEnd(NamedTuple):
    """The end that a key gets, or that a person saw; None for never."""

    expires_at: datetime | None


def change_end(
    *,
    key: ApiKey,
    expires_at: datetime | None,
    by: User | None,
    address: str | None = None,
    may_revive: bool = False,
    seen: NewEnd | None = None,
) -> bool:
    """Gives the key another end, or none. False if it has that end already. Its owners are told of the new end anew.

    A key whose end has come works again; `may_revive` means that the person has just confirmed who they are. `seen` is
    the end that the person saw. Raises EndChanged if the key has neither that nor `expires_at` by now, HasExpired
    without `may_revive`, ValidationError for an end that is not allowed or a project at its limit of keys, KeyGone if
    the key was deleted, ProjectGone if the project was, and NoLongerAllowed.
    """
    with transaction.atomic():
        hold_answer()
        project = lock_for(key.project, by=by, can=Permission.MANAGE_KEYS)
        row = lock_key(key)
        if seen and row.expires_at != seen.expires_at:
            if row.is_expired or not is_one_choice(row.expires_at, expires_at):
                raise EndChanged
            return False
        if row.expires_at == expires_at and not row.is_expired:
            return False
        if row.is_expired:
            if not may_revive:
                raise HasExpired
            creation_limits.refuse_more(project)
        move_end(row, expires_at, by=by, address=address)
    key.refresh_from_db()
    return True


def move_end(
    row: ApiKey, expires_at: datetime | None, *, by: User | None, address: str | None, ends_when_quiet: bool = False
) -> None:
    """Called in the transaction that has locked the project and the row. The row works again if it had ended.

    Raises ValidationError for an end that is not allowed.
    """
    check_end(expires_at, created_at=row.created_at, had_end=row.expires_at is not None)
    reason = (row.end_reason or EndReason.CHOSEN.value) if expires_at else ""
    state = KeyState.ACTIVE if row.state == KeyState.ENDED else row.state
    give_end(row, expires_at, state=state, end_reason=reason, ends_when_quiet=ends_when_quiet)
    kind = audit_kinds.REVIVED if row.is_expired else audit_kinds.END_CHANGED
    before, after = in_words_or_never(row.expires_at), in_words_or_never(expires_at)
    record(kind, key=row, by=by, address=address, before=before, after=after)


class Edited(NamedTuple):
    """Which parts of a key an edit has changed."""

    name: bool
    end: bool
    restrictions: bool = False


def edit_key(
    *,
    key: ApiKey,
    by: User | None,
    address: str | None = None,
    name: str | None = None,
    end: NewEnd | None = None,
    restrictions: Restrictions | None = None,
    may_revive: bool = False,
    seen: NewEnd | None = None,
    seen_name: str | None = None,
    seen_restrictions: Restrictions | None = None,
) -> Edited:
    """Changes name, end and restrictions together, or none of them; None keeps what the key has. `seen`, `seen_name`
    and `seen_restrictions` are what the person saw.

    Raises what rename_key, change_end and restrict_key raise.
    """
    with transaction.atomic():
        renamed = name is not None and rename_key(key=key, name=name, by=by, address=address, seen=seen_name)
        ended = end is not None and change_end(
            key=key, expires_at=end.expires_at, by=by, address=address, may_revive=may_revive, seen=seen
        )
        restricted = restrictions is not None and restrict_key(
            key=key, restrictions=restrictions, by=by, address=address, seen=seen_restrictions
        )
        edited = Edited(renamed, ended, restricted)
        if not any(edited):
            hold_answer()  # it says how the key is, and somebody may have just changed it
    return edited


def end_key(*, key: ApiKey, by: User | None, address: str | None = None) -> bool:
    """Stops the key now. It can be given another end later. False if its end has come already.

    Raises KeyGone, ProjectGone and NoLongerAllowed.
    """
    with transaction.atomic():
        hold_answer()
        ask_again(key, by)
        row = lock_key(key)
        if row.is_expired:
            return False
        end_now(row, row.end_reason or EndReason.CHOSEN)
        record(audit_kinds.ENDED, key=row, by=by, address=address)
    key.refresh_from_db()
    return True


def end_now(row: ApiKey, reason: str) -> None:
    """Called in the transaction that has locked the row.

    The end is a stored state, so the clocks of servers cannot delay it. A paused key stays paused, and has ended when
    it is re-enabled.
    """
    state = row.state if row.is_paused else KeyState.ENDED
    give_end(row, timezone.now(), state=state, end_reason=reason)
    # The event of this change tells of the end. write_down_end has nothing to add.
    row.notices.create(kind=Notice.EXPIRED)


def write_down_end(row: ApiKey) -> bool:
    """Whether the key's end had come by itself and no event said so; now one does. The first caller alone gets True.

    Called for a key that has ended, in the transaction that has locked its row.
    """
    if row.notices.filter(kind=Notice.EXPIRED).exists():
        return False
    row.notices.create(kind=Notice.EXPIRED)
    record(audit_kinds.EXPIRED, key=row, by=None, address=None)
    return True


def lock_key(key: ApiKey) -> ApiKey:
    """The key's row, locked, after time has done to it what was due. Raises KeyGone."""
    write_down_end_of_pause(key, timezone.now())
    row = ApiKey.objects.select_for_update().get(pk=key.pk)
    if row.is_deleted:
        raise KeyGone
    if row.is_expired:
        write_down_end(row)
    return row


def give_end(row: ApiKey, expires_at: datetime | None, **columns: object) -> None:
    """Called in the transaction that has locked the row. The owners are told of the new end anew.

    A key that was to end when quiet has a fixed end from now on, unless `columns` say otherwise.
    """
    # The requests that a paused key rejects are those of its pause.
    rejected = {} if row.is_paused else NOTHING_REFUSED
    columns = {"ends_when_quiet": False, **rejected, **columns}
    ApiKey.objects.filter(pk=row.pk).update(expires_at=expires_at, **columns)
    row.notices.all().delete()
