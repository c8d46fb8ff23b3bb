"""Every change of what a key may do, and of the limits of a project."""

from django.db import transaction

from accounts.models import User
from apikeys.bounds import bound_kinds, in_words
from apikeys.bounds.restrictions import Limits, Restrictions, column_of, column_of_limits, read_limits
from apikeys.bounds.rules import check_limits, check_restrictions
from apikeys.keys.key_errors import KeyGone
from apikeys.leases.held_answers import hold_answer
from apikeys.models import ApiKey
from projects.audit_log.recording import record
from projects.locks import lock_for, lock_project
from projects.models import Project
from projects.permissions import Permission


class RestrictionsChanged(Exception):
    """Somebody else has changed what the key may do, or the project's limits, since the person saw it."""


def restrict_key(
    *,
    key: ApiKey,
    restrictions: Restrictions,
    by: User | None,
    address: str | None = None,
    seen: Restrictions | None = None,
    needs_right: bool = True,
) -> bool:
    """Sets what the key may do. It holds for the next check. False if the key has these restrictions already.

    `seen` is what the person saw. Without `needs_right`, `by` is staff in the admin. Raises RestrictionsChanged if the
    key has neither that nor `restrictions` by now, ValidationError for what is not allowed, KeyGone if the key was
    deleted, ProjectGone if its project was, and NoLongerAllowed.
    """
    with transaction.atomic():
        hold_answer()
        lock_for(key.project, by=by if needs_right else None, can=Permission.MANAGE_KEYS)
        row = ApiKey.objects.alive().select_for_update(of=("self",)).filter(pk=key.pk).first()
        if row is None:
            raise KeyGone
        before = row.bounds
        if seen is not None and before not in (seen, restrictions):
            raise RestrictionsChanged
        check_restrictions(restrictions, had=before)
        if restrictions == before:
            return False
        ApiKey.objects.filter(pk=row.pk).update(restrictions=column_of(restrictions))
        _record(row, before, restrictions, by, address)
    key.restrictions = column_of(restrictions)
    return True


def _record(row: ApiKey, before: Restrictions, after: Restrictions, by: User | None, address: str | None) -> None:
    """An event for each part that has changed."""
    parts = (
        (bound_kinds.ACCESS_CHANGED, in_words.access(before), in_words.access(after)),
        (bound_kinds.NETWORKS_CHANGED, in_words.networks(before), in_words.networks(after)),
        (bound_kinds.LIMITS_CHANGED, in_words.limits(before.limits), in_words.limits(after.limits)),
    )
    for kind, old, new in parts:
        if old != new:
            record(kind, project=row.project, key=row, by=by, address=address, before=old, after=new)


def limit_project(
    *,
    project: Project,
    limits: Limits,
    by: User | None,
    address: str | None = None,
    seen: Limits | None = None,
) -> bool:
    """Sets the limits of all keys of the project together. False if the project has these limits already.

    Only operators and staff call it, so no member's right is asked for. `seen` is what the person saw. Raises
    RestrictionsChanged if the project has neither these nor `limits` by now, ValidationError for limits that are not
    allowed, and ProjectGone if the project was deleted.
    """
    check_limits(limits)
    with transaction.atomic():
        hold_answer()
        row = lock_project(project)
        before = read_limits(row.limits)
        if seen is not None and before not in (seen, limits):
            raise RestrictionsChanged
        if limits == before:
            return False
        Project.objects.filter(pk=row.pk).update(limits=column_of_limits(limits))
        old, new = in_words.limits(before), in_words.limits(limits)
        record(bound_kinds.PROJECT_LIMITED, project=row, by=by, address=address, before=old, after=new)
    project.limits = column_of_limits(limits)
    return True
