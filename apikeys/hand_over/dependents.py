"""What depends on a person: the keys for which they are responsible, and the keys whose secrets they know."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Max, Q

from accounts.models import User
from apikeys import audit_kinds
from apikeys.models import LIVING, ApiKey
from apikeys.usage.figures import Calls, Period, totals
from projects.audit_log.models import AuditEvent
from projects.models import Project

# The kinds of events that show a secret to a person, in words.
_SEEN = {
    audit_kinds.CREATED.code: "created it",
    audit_kinds.COPIED.code: "copied its secret",
    audit_kinds.REVEALED.code: "revealed its secret",
}


class Seen(NamedTuple):
    """A way in which a person came to know a secret, and when they last did."""

    words: str
    at: datetime


class Dependent(NamedTuple):
    """A living key that depends on a person."""

    key: ApiKey
    is_responsible: bool
    seen: Sequence[Seen]  # empty: according to the audit log, the person does not know the secret
    calls: Calls  # of the last 24 hours
    replacement: ApiKey | None  # the working key that replaces this one in a roll


def secret_seen(user: User, key: ApiKey) -> list[Seen]:
    """How the person came to know the key's secret, according to the audit log."""
    return _seen_by(user, key.project_id).get(key.pk, [])


def _seen_by(user: User, project_pk: int) -> dict[int, list[Seen]]:
    """The same for all living keys of the project, by the keys' primary keys."""
    events = AuditEvent.objects.filter(project=project_pk, by=user, kind__in=_SEEN, key__state__in=LIVING)
    last = events.order_by().values_list("key_id", "kind").annotate(last=Max("at"))
    found: dict[int, list[Seen]] = {}
    for key_pk, kind, at in sorted(last, key=lambda row: row[2]):
        found.setdefault(key_pk, []).append(Seen(_SEEN[kind], at))
    return found


def dependents_of(user: User, project: Project) -> list[Dependent]:
    """The keys with the most requests first. The number of queries does not depend on the number of keys."""
    seen = _seen_by(user, project.pk)
    keys = list(
        project.api_keys.alive()
        .filter(Q(responsible=user) | Q(pk__in=seen))
        .select_related("project", "responsible", "creator")
    )
    pks = [key.pk for key in keys]
    calls = totals(pks, Period.DAY)
    new = {key.replaces_id: key for key in project.api_keys.not_ended().filter(replaces__in=pks)}
    found = [
        Dependent(key, key.responsible == user, seen.get(key.pk, []), calls.get(key.pk, Calls()), new.get(key.pk))
        for key in keys
    ]
    return sorted(found, key=lambda each: (-each.calls.all, each.key.name.casefold()))
