"""Pausing a key, re-enabling it, and the ends of pauses. Each change is a conditional UPDATE with its event."""

from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from django.db import transaction
from django.db.models import Case, F, Q, When
from django.utils import timezone

from accounts.models import User
from apikeys import audit_kinds
from apikeys.keys.end_limits import check_instant
from apikeys.keys.key_errors import EndOfPauseChanged, KeyGone, PausedAgain
from apikeys.leases.held_answers import hold_answer
from apikeys.models import ApiKey
from apikeys.standing import KeyState, PauseReason
from common.instants import in_words, in_words_or_never
from common.names import clean_note
from projects.audit_log.kinds import Kind
from projects.audit_log.recording import record
from projects.locks import hold_right
from projects.permissions import Permission

# The longest pause that is a rehearsal of the key's deletion.
REHEARSAL = timedelta(hours=1)
NO_END_OF_PAUSE: dict[str, object] = {"resumes_at": None, "pause_note": ""}
# Rejected requests are counted from the change that rejects them.
NOTHING_REFUSED: dict[str, object] = {"refused_calls": 0, "last_refused_at": None, "last_refused_address": None}


class ChangeState(Protocol):
    """The common signature of `pause_key` and `resume_key`."""

    def __call__(self, *, key: ApiKey, by: User | None, address: str | None) -> bool: ...


class EndOfPause(NamedTuple):
    """The end of a pause that a person saw; None for a pause that somebody has to end."""

    resumes_at: datetime | None


class Change(NamedTuple):
    """A change of a key's state, and who makes it. Without `needs_right`, `by` is staff in the admin, or caused it."""

    key: ApiKey
    by: User | None
    address: str | None
    now: datetime
    needs_right: bool = True

    def make(self, before: Q, kind: Kind, fields: dict[str, object], until: str = "") -> bool:
        """Whether the key matched `before` and now has `fields`; then an event is recorded.

        Raises NoLongerAllowed and ProjectGone.
        """
        with transaction.atomic():
            if fields["state"] != KeyState.ACTIVE:
                hold_answer()
            if self.needs_right:
                ask_again(self.key, self.by)
            write_down_end_of_pause(self.key, self.now)
            changed = bool(ApiKey.objects.filter(before, pk=self.key.pk).update(**fields))
            if changed:
                record(kind, key=self.key, by=self.by, address=self.address, before=until)
        self.key.refresh_from_db()
        return changed


def ask_again(key: ApiKey, by: User | None) -> None:
    """Locks the membership of a person who changes the key, before the key. Raises NoLongerAllowed and ProjectGone."""
    if by is not None:
        hold_right(key.project, by=by, can=Permission.MANAGE_KEYS)


def paused(now: datetime, reason: str = "") -> dict[str, object]:
    """The columns of a key that worked until now."""
    return {"state": KeyState.PAUSED, "paused_at": now, "pause_reason": reason, **NO_END_OF_PAUSE, **NOTHING_REFUSED}


def _resumed(at: datetime) -> dict[str, object]:
    """The columns of a key whose pause ended at `at`."""
    nothing = {"paused_at": None, "pause_reason": "", **NO_END_OF_PAUSE, **NOTHING_REFUSED}
    return {"state": KeyState.ACTIVE, "rehearsal_ended_at": end_of_rehearsal(at), **nothing}


def end_of_rehearsal(at: datetime) -> Case:
    """The column's value once a pause ended, or is no rehearsal any more."""
    going_on = Q(rehearsal_began_at__isnull=False, rehearsal_ended_at__isnull=True)
    return Case(When(going_on, then=at), default=F("rehearsal_ended_at"))


def write_down_end_of_pause(key: ApiKey, now: datetime) -> bool:
    """Whether a pause of the key had ended by itself. The key worked since; now its row says so, with an event.

    Called in the transaction of a change, before the change. The first caller alone gets True.
    """
    lapsed = ApiKey.objects.filter(pk=key.pk, state=KeyState.PAUSED, resumes_at__lte=now)
    row = lapsed.select_for_update(no_key=True).first()
    if row is None or row.resumes_at is None:
        return False
    ApiKey.objects.filter(pk=key.pk).update(**_resumed(row.resumes_at))
    # A key whose end came during the pause did not work again.
    if row.expires_at is None or row.expires_at > row.resumes_at:
        record(audit_kinds.RESUMED_ITSELF, key=key, by=None, address=None, at=row.resumes_at)
    return True


def pause_key(
    *,
    key: ApiKey,
    by: User | None,
    address: str | None = None,
    until: datetime | None = None,
    note: str = "",
    needs_right: bool = True,
) -> bool:
    """Stops the key, reversibly; with `until`, until that instant. A pause of at most REHEARSAL is a rehearsal.

    False if the key was paused already, or its end has come. Raises KeyGone if it was deleted, and ValidationError for
    an `until` that is over or too far ahead. See `Change` for `needs_right`, and for what else is raised.
    """
    now = timezone.now()
    fields = paused(now) | {"resumes_at": until, "pause_note": clean_note(note)}
    if until:
        check_instant(until, now)
        if until - now <= REHEARSAL:
            fields |= {"rehearsal_began_at": now, "rehearsal_ended_at": None}
    works = Q(state=KeyState.ACTIVE) & (Q(expires_at=None) | Q(expires_at__gt=now))
    kind = audit_kinds.PAUSED_UNTIL if until else audit_kinds.PAUSED
    changed = Change(key, by, address, now, needs_right).make(works, kind, fields, in_words(until) if until else "")
    if key.is_deleted:
        raise KeyGone
    return changed


def change_end_of_pause(
    *,
    key: ApiKey,
    until: datetime | None,
    by: User | None,
    address: str | None = None,
    seen: datetime | None = None,
    seen_end: EndOfPause | None = None,
    needs_right: bool = True,
) -> bool:
    """Keeps a paused key paused, or gives its pause another end. It is no rehearsal from then on.

    `seen` is the beginning of the pause that the person saw, and `seen_end` its end. Without them any pause is meant.

    False if the key is not paused, is reported as leaked, or has that end, to the minute. Raises PausedAgain for
    another pause, EndOfPauseChanged if it has another end by now, and KeyGone and ValidationError as `pause_key` does.
    """
    now = timezone.now()
    if until:
        check_instant(until, now)
    with transaction.atomic():
        hold_answer()  # the pause may have just ended by itself
        if needs_right:
            ask_again(key, by)
        write_down_end_of_pause(key, now)
        row = ApiKey.objects.select_for_update().get(pk=key.pk)
        changed = (
            row.state == KeyState.PAUSED and not row.pause_reason and _gets_another_end(row, until, seen, seen_end)
        )
        if changed:
            ApiKey.objects.filter(pk=key.pk).update(resumes_at=until, rehearsal_ended_at=end_of_rehearsal(now))
            before, after = in_words_or_never(row.resumes_at), in_words_or_never(until)
            record(audit_kinds.PAUSE_CHANGED, key=key, by=by, address=address, before=before, after=after)
    key.refresh_from_db()
    if key.is_deleted:
        raise KeyGone
    return changed


def _gets_another_end(row: ApiKey, until: datetime | None, seen: datetime | None, seen_end: EndOfPause | None) -> bool:
    """Whether `until` is another end of a paused key's pause. Raises PausedAgain and EndOfPauseChanged."""
    _refuse_another_pause(row, seen)
    if in_words_or_never(row.resumes_at) == in_words_or_never(until):
        return False
    if seen_end and row.resumes_at != seen_end.resumes_at:
        raise EndOfPauseChanged
    return True


def _refuse_another_pause(key: ApiKey, seen: datetime | None) -> None:
    """Raises PausedAgain if the person saw another pause than the one that the key has now."""
    if seen and key.is_paused and key.paused_at != seen:
        raise PausedAgain


def resume_key(
    *,
    key: ApiKey,
    by: User | None,
    address: str | None = None,
    although_reported: bool = False,
    seen: datetime | None = None,
    needs_right: bool = True,
) -> bool:
    """Lets a paused key work again. False if it was not paused, or is reported as leaked and has to stay paused;
    raises KeyGone if it was deleted, and PausedAgain if `seen`, the beginning of the pause that the person saw, is not
    the one of its pause.

    `although_reported` means that the person has seen the report and has just confirmed who they are. All owners then
    get an email. See `Change` for `needs_right`, and for what else is raised.
    """
    now = timezone.now()
    fields = _resumed(now)
    paused, reported = Q(state=KeyState.PAUSED), Q(pause_reason=PauseReason.REPORTED)
    if seen:
        paused &= Q(paused_at=seen)
    change = Change(key, by, address, now, needs_right)
    changed = change.make(paused & ~reported, audit_kinds.RESUMED, fields)
    if although_reported and not changed:
        changed = change.make(paused & reported, audit_kinds.RESUMED_REPORTED, fields)
    if key.is_deleted:
        raise KeyGone
    if not changed and not key.is_reported:
        _refuse_another_pause(key, seen)
    return changed
