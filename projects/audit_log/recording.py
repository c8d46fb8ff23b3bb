"""Writing events, with the emails and the lines of the security log that belong to them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from django.db import transaction

from accounts.models import User
from common.security_log import record_on_commit
from projects.audit_log import owner_emails
from projects.audit_log.kinds import Kind, Subject
from projects.audit_log.models import AuditEvent
from projects.models import Project
from projects.signals import change_recorded


class Key(Protocol):
    """What the audit log knows of a key. The model lies in an app above this one."""

    @property
    def pk(self) -> Any: ...
    @property
    def public_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def mask(self) -> str: ...
    @property
    def project_id(self) -> int: ...


def record(
    kind: Kind,
    *,
    by: User | None,
    address: str | None,
    project: Project | None = None,
    key: Key | None = None,
    member: User | None = None,
    role: str = "",
    source: str = "",
    before: str = "",
    after: str = "",
    at: datetime | None = None,
    also_told: Iterable[User] = (),
    is_told: bool = True,
) -> AuditEvent:
    """Writes one event, and has the emails and the line of the security log sent once the change is committed.

    Called in the transaction of the change. `by` is None for an operator's command. An event of a key needs no
    `project`, but the line of the security log names the project only if it is given. `at` is the instant of an event
    that is written down later. `also_told` get the kind's email too, whether or not they own the project. Without
    `is_told`, the caller has one email sent about several events, in the same transaction (owner_emails.py).
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("An event is recorded in the transaction of the change.")
    event = AuditEvent(kind=kind.code, by=by, address=address, member=member, role=role, source=source)
    if project:
        event.project = project
    elif key:
        event.project_id = key.project_id
    event.key_id = key.pk if key else None
    event.before, event.after = before, after
    if at:
        event.at = at
    # Before the event is written: an email about a new address asks whether the address was there before.
    if is_told:
        owner_emails.tell(kind, event, key, also_told)
    event.save(force_insert=True)
    change_recorded.send(sender=AuditEvent, by=by)
    _log(event, kind, project, key)
    return event


def _log(event: AuditEvent, kind: Kind, project: Project | None, key: Key | None) -> None:
    if kind.log_event:
        facts = {"key": key and key.public_id, "project": project and project.public_id, "role": event.role}
        account = event.member if kind.subject == Subject.MEMBER else event.by
        record_on_commit(kind.log_event, account=account, **facts)


def record_for_keys(
    kind: Kind, *, project: Project, key_pks: Iterable[int], by: User | None, address: str | None
) -> None:
    """Writes an event for each key by one statement. Sends no emails and writes no lines of the security log."""
    AuditEvent.objects.bulk_create(
        AuditEvent(project=project, kind=kind.code, key_id=pk, by=by, address=address) for pk in key_pks
    )
    change_recorded.send(sender=AuditEvent, by=by)
