"""A roll: a new key takes over from an old key, which ends later. Both work until then."""

import itertools
import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from apikeys import audit_kinds
from apikeys.keys import creation_limits
from apikeys.keys.end_limits import MOST_DAYS, check_end, latest_end
from apikeys.keys.services import NewKey, form_was_used, insert_key, key_of_form
from apikeys.leases.held_answers import hold_answer
from apikeys.lifetimes.ends import HasExpired, end_now, give_end, lock_key, move_end
from apikeys.models import ApiKey
from apikeys.standing import EndReason, KeyState
from common.instants import in_words_or_never
from common.names import MAX_LENGTH, without_hidden_characters
from common.plurals import counted
from projects.audit_log.recording import record
from projects.locks import lock_for
from projects.models import Project
from projects.permissions import Permission


class Overlap(StrEnum):
    """How long the old key works on; the value is the word in forms and commands."""

    NONE = "0"
    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    QUIET = "quiet"


# For a key that ends when it is quiet, the longest time.
LENGTHS = {
    Overlap.HOUR: timedelta(hours=1),
    Overlap.DAY: timedelta(hours=24),
    Overlap.WEEK: timedelta(days=7),
    Overlap.QUIET: timedelta(days=30),
}
EXTENSION = timedelta(hours=24)
_ROLLED_NAME = re.compile(r" \(rolled \d{1,2} [A-Z][a-z]{2}\)( \d+)?\Z")


class Names(NamedTuple):
    old: str
    new: str


@sensitive_variables()
def roll_key(
    *,
    key: ApiKey,
    overlap: Overlap,
    by: User,
    address: str | None = None,
    form_token: str | None = None,
    is_told: bool = True,
) -> NewKey:
    """Returns a new key with the name and the settings of `key`, and its secret; the same key again for a form that is
    submitted twice. `key` gets another name, and ends after `overlap` or at its own end, whichever is earlier.

    Without `is_told`, the caller has one email sent about several new keys. Raises ValidationError for a key that has
    ended or is being rolled, at one of the project's limits, or for a form
    that was used for something else; KeyGone if the key was deleted; ShownOnce, ProjectGone, NoLongerAllowed and
    VaultUnavailable as `create_key` does.
    """
    with transaction.atomic():
        hold_answer()
        project = lock_for(key.project, by=by, can=Permission.MANAGE_KEYS)
        if same := key_of_form(project, form_token, lambda new: _refuse_another_roll(key, overlap, new)):
            return same
        row = lock_key(key)
        refuse_roll(row)
        _refuse_more(project, overlap)
        creation_limits.refuse_too_many(project)
        new = _replace(row, project, by, form_token)
        _end_old_key(row, overlap, new.key.created_at)
        key.refresh_from_db()
        who: dict[str, Any] = {"project": project, "by": by, "address": address}
        record(audit_kinds.ROLLED, key=key, before=row.name, after=new.key.name, **who)
        record(audit_kinds.CREATED, key=new.key, **who, is_told=is_told)
    return new


def _refuse_another_roll(key: ApiKey, overlap: Overlap, new: ApiKey) -> None:
    """Raises ValidationError if the form that created `new` is sent again for another key, or with another choice.

    A person who learns that the old key has leaked goes back and chooses "Now". They must not read that it is done.
    """
    if new.replaces_id != key.pk:
        raise form_was_used(new)
    old = ApiKey.objects.get(pk=key.pk)
    if not _ends_as_chosen(old, overlap, new.created_at):
        raise ValidationError(
            f"This form has rolled the key already: {new.name} replaces {old.name}, which {end_of_old_key(old)}. "
            "Nothing was changed now." + ("" if old.is_expired else " You can change when the old key expires."),
            code="rolled_already",
        )


def _ends_as_chosen(old: ApiKey, overlap: Overlap, rolled_at: datetime) -> bool:
    """Whether the roll at that time gave the old key the end of this choice, and nobody has changed it since."""
    if overlap == Overlap.NONE:
        return old.is_expired
    if old.state == KeyState.ENDED or old.expires_at is None or old.ends_when_quiet != (overlap == Overlap.QUIET):
        return False
    moved = [audit_kinds.END_CHANGED.code, audit_kinds.REVIVED.code]
    if old.events.filter(kind__in=moved, at__gte=rolled_at).exists():
        return False
    chosen = rolled_at + LENGTHS[overlap]
    # An end of its own that comes earlier is the end of every longer choice.
    own = old.expires_at < chosen and old.expires_at not in [rolled_at + length for length in LENGTHS.values()]
    return own or old.expires_at == chosen


def end_of_old_key(old: ApiKey) -> str:
    """Such as "expires on 28 November 2026, 09:30 UTC"."""
    if old.is_expired:
        return "has expired"
    end = in_words_or_never(old.expires_at)
    return f"expires when it is quiet, on {end} at the latest" if old.ends_when_quiet else f"expires on {end}"


def refuse_roll(key: ApiKey) -> None:
    """Raises ValidationError, with a way out, for a key that cannot be rolled as it is now."""
    if key.is_expired:
        raise ValidationError(
            f"{key.name} has expired already. Create a new key, or change this key's expiry first.", code="has_ended"
        )
    if replacement := key.replaced_by.not_ended().first():
        raise ValidationError(
            f"{key.name} is being rolled already: {replacement.name} replaces it. Expire the old key now. If the new "
            "key has leaked too, roll the new key.",
            code="being_rolled",
        )


def _refuse_more(project: Project, overlap: Overlap) -> None:
    """Raises ValidationError if the project would exceed its limit on keys by more than one. A key that ends now makes
    room for its replacement.
    """
    number, limit = project.api_keys.not_ended().count(), settings.MAX_KEYS_PER_PROJECT
    if overlap != Overlap.NONE and number > limit:
        raise ValidationError(
            f"This project has {counted(number, 'key')}, more than its limit of {counted(limit)}. Delete one first, "
            "let one expire, or let the old key expire now.",
            code="too_many_keys",
        )


@sensitive_variables()
def _replace(row: ApiKey, project: Project, by: User, form_token: str | None) -> NewKey:
    """Renames the old key, and gives its name to a new key."""
    now = timezone.now()
    names = names_after(row, project, now)
    expires_at = end_of_new_key(row, now)
    check_end(expires_at, created_at=now)
    end = {"expires_at": expires_at, "end_reason": EndReason.CHOSEN if expires_at else ""}
    columns = {"name": names.new, "replaces": row, "created_at": now, "form_token": form_token or None}
    columns["restrictions"] = row.restrictions
    with creation_limits.unique_name():
        ApiKey.objects.filter(pk=row.pk).update(name=names.old)
        return insert_key(project, by, **columns, **end)


def names_after(row: ApiKey, project: Project, now: datetime) -> Names:
    """The names of both keys after the roll: "NAME (rolled 28 Nov)", and NAME.

    A key that was rolled before gives its replacement the name that it had at first, if that is free.
    """
    others = project.api_keys.alive().exclude(pk=row.pk)
    taken = {name.casefold() for name in others.values_list("name", flat=True)}
    first = _ROLLED_NAME.sub("", row.name)
    new = row.name if first.casefold() in taken else first
    rolled = f" (rolled {now.day} {now:%b})"
    endings = itertools.chain([rolled], (f"{rolled} {number}" for number in itertools.count(2)))
    fitting = (_shortened(first, MAX_LENGTH - len(ending)) + ending for ending in endings)
    taken.add(new.casefold())
    return Names(old=next(name for name in fitting if name.casefold() not in taken), new=new)


def _shortened(name: str, most: int) -> str:
    """A character that joins two others may be the last one after the cut. Then it is removed."""
    return name if len(name) <= most else without_hidden_characters(name[: most - 1]) + "…"


def end_of_new_key(row: ApiKey, now: datetime) -> datetime | None:
    """The new key is to live as long as the old one was to live, but no longer than MAX_KEY_DAYS; None for ever."""
    # The end of a key that was rolled before is the end of that roll. Its replacement got the length of its own end.
    while row.end_reason == EndReason.ROLLED and (replacement := row.replaced_by.first()):
        row = replacement
    latest = latest_end(created_at=now)
    if row.expires_at is None:
        return latest
    end = now + min(row.expires_at - row.created_at, timedelta(days=MOST_DAYS))
    return min(end, latest or end)


def _end_old_key(row: ApiKey, overlap: Overlap, now: datetime) -> None:
    if overlap == Overlap.NONE:
        end_now(row, EndReason.ROLLED)
        return
    ends = now + LENGTHS[overlap]
    own_end = row.expires_at or ends
    give_end(row, min(ends, own_end), end_reason=EndReason.ROLLED, ends_when_quiet=overlap == Overlap.QUIET)


def extend_overlap(*, key: ApiKey, seen: datetime, by: User | None, address: str | None = None) -> bool:
    """Gives an old key 24 more hours. A key that ends when it is quiet still does, and counts from now.

    `seen` is the end that the person saw. True also if the key has these hours already: the button may have been
    pressed twice. False if the key has another end by now. Raises HasExpired, KeyGone,
    ProjectGone, NoLongerAllowed, and ValidationError for an end that is not allowed.
    """
    with transaction.atomic():
        hold_answer()
        lock_for(key.project, by=by, can=Permission.MANAGE_KEYS)
        row = lock_key(key)
        if row.is_expired:
            raise HasExpired
        if row.expires_at == seen:
            move_end(row, seen + EXTENSION, by=by, address=address, ends_when_quiet=row.ends_when_quiet)
    key.refresh_from_db()
    return key.expires_at is not None and key.expires_at - EXTENSION == seen
