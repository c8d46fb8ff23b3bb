"""The email about a key that is used from a new address. Housekeeping calls tell_of_new_addresses.

The emails and the mark that their addresses were compared are one transaction. A process that is killed has done all of
it or nothing, and two processes at once do it once. The rows of addresses are not locked: whoever counts requests needs
them, and a pause waits for that.
"""

from datetime import datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from apikeys.models import ApiKey
from apikeys.standing import KeyState
from apikeys.usage.caller_bounds import OTHERS, days_kept
from apikeys.usage.callers import day_of
from apikeys.usage.models import CallersCompared, CallerSpan, KeyCaller, KeyUse, Span
from common.instants import in_words
from common.plurals import counted
from projects.audit_log.kinds import Email
from projects.audit_log.owner_emails import Line, tell_owners
from projects.models import Membership

# How long a key has to be in use, with its addresses stored, before an address counts as new.
IN_USE = timedelta(days=7)
# A row's time is that of the statement. It is committed well within this time (common/database_deadline.py).
COMMITTED = timedelta(minutes=1)
# In one email. The key's page has the others.
MOST_LISTED = 10

_EMAIL = Email(
    "new_address",
    "API key used from a new address",
    "Requests with an API key came from an address that did not use it before, as far as addresses are stored.",
    "If you do not know this address, pause the key and find out who uses it.",
)


def tell_of_new_addresses(now: datetime) -> int:
    """Queues an email for each key that was used from new addresses since the last call, and returns their number.

    The first call ever only sets the mark.
    """
    until = now - COMMITTED
    with transaction.atomic():
        mark, is_first = CallersCompared.objects.select_for_update().get_or_create(pk=1, defaults={"until": until})
        if is_first or mark.until >= until:
            return 0
        new = _new(mark.until, until, now).select_related("key__project").order_by("key", "first_at")
        keys = [(key, list(callers)) for key, callers in groupby(new, key=lambda caller: caller.key)]
        for key, callers in keys:
            tell_owners(key.project, _EMAIL, key.name, _lines(key, callers))
        CallersCompared.objects.filter(pk=mark.pk).update(until=until)
    return len(keys)


def _new(after: datetime, until: datetime, now: datetime) -> QuerySet[KeyCaller]:
    """The rows stored in this time whose address is new to a key that has been in use for IN_USE.

    Addresses are not new as long as some days of that time have requests without stored addresses: after an upgrade
    from a release that stored none, or after CALLER_DAYS was 0.
    """
    week_ago = day_of(now) - IN_USE
    days = KeyCaller.objects.filter(span=CallerSpan.DAY)
    owners = Membership.objects.mailed("new_address").filter(project=OuterRef("key__project"))
    before = days.filter(key=OuterRef("key"), address=OuterRef("address"), starts_at__lt=OuterRef("starts_at"))
    use = KeyUse.objects.filter(key=OuterRef("key"), span=Span.DAY, starts_at__lt=OuterRef("starts_at"))
    stored = days.filter(key=OuterRef("key"), starts_at=OuterRef("starts_at"))
    new = days.filter(
        Exists(owners),
        Exists(use.filter(starts_at__lte=week_ago)),
        ~Exists(use.filter(~Exists(stored), starts_at__gte=week_ago)),
        ~Exists(before),
        stored_at__gt=after,
        stored_at__lte=until,
        key__project__deleted_at=None,
    )
    return new.exclude(address=OTHERS).exclude(key__state=KeyState.DELETED)


def _lines(key: ApiKey, callers: list[KeyCaller]) -> list[Line]:
    lines = [("Key", f"{key.name}, {key.mask}"), *map(_line, callers[:MOST_LISTED])]
    if len(callers) > MOST_LISTED:
        lines.append(("More new addresses", counted(len(callers) - MOST_LISTED)))
    lines.append(("Compared with", f"the addresses of the last {counted(days_kept(), 'day')}"))
    if KeyCaller.objects.filter(key=key, span=CallerSpan.DAY, address=OTHERS).exists():
        lines.append(("Incomplete", "some addresses of this key were counted together, so it may not be new"))
    return lines


def _line(caller: KeyCaller) -> Line:
    requests = counted(caller.allowed + caller.rejected, "request")
    rejected = f", {counted(caller.rejected)} rejected" if caller.rejected else ""
    return "Address", f"{caller.address} ({requests}{rejected}, first on {in_words(caller.first_at)})"
