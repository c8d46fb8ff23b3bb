"""When an old key of a roll is quiet, and what happens then. Housekeeping calls both functions each minute."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from django.db import transaction
from django.db.models import Max, Q

from apikeys import audit_kinds
from apikeys.keys.key_errors import KeyGone
from apikeys.lifetimes.ends import end_now, lock_key
from apikeys.lifetimes.models import KeyNotice, Notice
from apikeys.models import QUIET_AFTER, ApiKey, ApiKeyQuerySet
from apikeys.standing import EndReason
from apikeys.usage.figures import Period, history
from apikeys.usage.models import KeyUse, Span
from common.instants import in_words
from common.postgresql.just_in_time import no_compilation
from projects.audit_log.kinds import Email
from projects.audit_log.models import AuditEvent
from projects.audit_log.owner_emails import Line, tell_owners
from projects.audit_log.recording import record

# Requests of this time before the quiet began tell how often a key is used.
LOOKED_BACK = timedelta(days=30)
LAST_HOUR = timedelta(hours=1)
# A key has at most some thousand hours in that time.
_KEYS_A_QUERY = 20

ENDS_IN_AN_HOUR = Email(
    switch="ending",
    subject="Old API key expires within the hour",
    what="The old API key of a roll expires within the hour, and a program used it in the last 24 hours. From then on, "
    "requests using it are rejected.",
    advice="Switch your programs to the new key. If you need more time, give the old key 24 more hours.",
)
IS_QUIET = Email(
    switch="ending",
    subject="Old API key is quiet",
    what="No program uses the old API key of a roll any more.",
    advice="If you have switched all your programs to the new key, you can let the old key expire now.",
)
HAS_ENDED = Email(
    switch="ending",
    subject="Old API key expired",
    what="The old API key of a roll was quiet, so it has expired. Requests using it are now rejected.",
    advice="If a program still needs the old key, change the key's expiry, and switch the program to the new key.",
)


class Quiet(NamedTuple):
    """`since` is the last request with the key, or the roll if no request came after it. The key is quiet once `after`
    has passed since `counted_from`.
    """

    since: datetime
    counted_from: datetime
    after: timedelta

    def has_come(self, now: datetime) -> bool:
        return now >= self.counted_from + self.after


def quiet_of(keys: Sequence[ApiKey]) -> dict[int, Quiet]:
    """For each old key of a roll, by its primary key. Three queries for any number of keys."""
    pks = [key.pk for key in keys]
    replacements = ApiKey.objects.filter(replaces__in=pks).order_by().values_list("replaces")
    rolled = dict(replacements.annotate(Max("created_at")))
    # A person who gave the key more time has to get it, even if the key was quiet already.
    changes = AuditEvent.objects.filter(key__in=pks, kind=audit_kinds.END_CHANGED.code).order_by().values_list("key")
    changed = dict(changes.annotate(Max("at")))
    since = {key.pk: _latest(rolled.get(key.pk, key.created_at), *_last_requests(key)) for key in keys}
    gaps = _longest_gaps(since)
    return {pk: Quiet(since[pk], _latest(since[pk], changed.get(pk)), max(QUIET_AFTER, 2 * gaps[pk])) for pk in since}


def _last_requests(key: ApiKey) -> tuple[datetime | None, datetime | None]:
    # A rejected request comes from a program that still has the key.
    return key.last_used_at, key.last_refused_at


def _latest(first: datetime, *others: datetime | None) -> datetime:
    return max([first, *(at for at in others if at)])


def _longest_gaps(until: dict[int, datetime]) -> dict[int, timedelta]:
    """The longest time between two requests with each key in the 30 days before its instant.

    Requests are counted by hours, so a gap may be found up to an hour too short.
    """
    if not until:
        return {}
    first = min(until.values()) - LOOKED_BACK
    rows = KeyUse.objects.filter(key__in=until, span=Span.HOUR, starts_at__gte=first).order_by("key", "starts_at")
    hours: dict[int, dict[datetime, datetime]] = defaultdict(dict)
    for key_pk, starts_at, last_at in rows.values_list("key_id", "starts_at", "last_at"):
        if until[key_pk] - LOOKED_BACK <= last_at:
            of_key = hours[key_pk]
            of_key[starts_at] = _latest(last_at, of_key.get(starts_at))
    return {pk: _longest(hours[pk].items()) for pk in until}


def _longest(hours: Iterable[tuple[datetime, datetime]]) -> timedelta:
    """The hours are given as their beginning and their last request, the oldest first."""
    gaps = (later_begins - last_at for (_, last_at), (later_begins, _) in pairwise(hours))
    return max([timedelta(), *gaps])


# What housekeeping does


def _rolled(now: datetime) -> ApiKeyQuerySet:
    """Old keys of rolls, in living projects, whose end lies ahead."""
    keys = ApiKey.objects.not_ended().filter(end_reason=EndReason.ROLLED, expires_at__gt=now)
    return keys.filter(project__deleted_at=None).order_by("pk")


def _without_requests_since(at: datetime) -> Q:
    unused = Q(last_used_at=None) | Q(last_used_at__lte=at)
    return unused & (Q(last_refused_at=None) | Q(last_refused_at__lte=at))


def end_quiet_keys(now: datetime) -> int:
    """Ends the old keys that were to end when they are quiet and are. Returns how many; each is an event, once."""
    keys = _rolled(now).filter(_without_requests_since(now - QUIET_AFTER), ends_when_quiet=True)
    return _each(_quiet(keys, now), lambda row: _end_if_quiet(row, now))


def send_roll_notices(now: datetime) -> int:
    """Emails owners and developers about old keys that end within the hour although they are in use, and about old keys
    that have become quiet. Returns the number of keys. Each is told once for each end that the key has.
    """
    ending = _rolled(now).filter(expires_at__lte=now + LAST_HOUR, last_used_at__gt=now - QUIET_AFTER)
    quiet = _rolled(now).filter(_without_requests_since(now - QUIET_AFTER), ends_when_quiet=False)
    with no_compilation():
        to_warn = list(ending.exclude(notices__kind=Notice.LAST_HOUR))
        may_be_quiet = list(quiet.exclude(notices__kind=Notice.QUIET))
    number = _each(to_warn, lambda row: _warn(row, now))
    return number + _each(_quiet(may_be_quiet, now), lambda row: _tell_if_quiet(row, now))


def _quiet(keys: Iterable[ApiKey], now: datetime) -> Iterable[ApiKey]:
    found = list(keys)
    for first in range(0, len(found), _KEYS_A_QUERY):
        some = found[first : first + _KEYS_A_QUERY]
        quiet = quiet_of(some)
        yield from (key for key in some if quiet[key.pk].has_come(now))


def _each(keys: Iterable[ApiKey], act: Callable[[ApiKey], bool]) -> int:
    """Calls `act` with each key's locked row, in a transaction of its own. Returns how often it did something."""
    number = 0
    for key in keys:
        try:
            with transaction.atomic():
                number += act(lock_key(key))
        except KeyGone:
            continue
    return number


def _end_if_quiet(row: ApiKey, now: datetime) -> bool:
    if row.is_expired or not row.ends_when_quiet or not quiet_of([row])[row.pk].has_come(now):
        return False
    end_now(row, EndReason.ROLLED)
    record(audit_kinds.ENDED_QUIET, key=row, by=None, address=None)
    _tell(row, Notice.QUIET, HAS_ENDED, [])
    return True


def _warn(row: ApiKey, now: datetime) -> bool:
    # Requests with a paused key are rejected already.
    if not row.is_active or row.notices.filter(kind=Notice.LAST_HOUR).exists() or row.end_reason != EndReason.ROLLED:
        return False
    if row.expires_at is None or row.expires_at > now + LAST_HOUR:
        return False
    number = sum(hour.calls.all for hour in history([row], Period.DAY))
    _tell(row, Notice.LAST_HOUR, ENDS_IN_AN_HOUR, [("Requests in the last 24 hours", f"{number:,}")])
    return True


def _tell_if_quiet(row: ApiKey, now: datetime) -> bool:
    if row.is_expired or row.notices.filter(kind=Notice.QUIET).exists() or row.end_reason != EndReason.ROLLED:
        return False
    if not quiet_of([row])[row.pk].has_come(now):
        return False
    _tell(row, Notice.QUIET, IS_QUIET, [])
    return True


def _tell(row: ApiKey, notice: Notice, words: Email, also: list[Line]) -> None:
    """One email to each owner and developer. The mark that they were told is written in the same transaction."""
    KeyNotice.objects.create(key=row, kind=notice)
    new = row.replaced_by.first()
    used = in_words(row.last_used_at) if row.last_used_at else "never"
    end = ApiKey.objects.values_list("expires_at", flat=True).get(pk=row.pk)
    lines = [
        ("Old key", f"{row.name}, {row.mask}"),
        *([("New key", f"{new.name}, {new.mask}")] if new and not new.is_deleted else []),
        ("Last used", used + (f", from {row.last_used_address}" if row.last_used_address else "")),
        *also,
        *([("Expired" if words is HAS_ENDED else "Expires", in_words(end))] if end else []),
    ]
    tell_owners(row.project, words, row.name, lines)
