"""How many invitations a project and a person can send, and how many of their links they can copy."""

from collections.abc import Iterable
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import User
from projects import audit_kinds
from projects.audit_log.kinds import Kind
from projects.audit_log.models import AuditEvent
from projects.models import Project

_DAY = timedelta(days=1)
# A person who owns many projects must not send emails to strangers without end.
MOST_A_DAY = 20
MOST_A_DAY_BY_ONE = 100
# In a project, and by a person. A copied link emails nobody, so that it has a bound of its own.
MOST_COPIES_A_DAY = 100
# Expired ones too, until they are deleted, so that the Members page shows all of them.
MOST_PENDING = 100
_SENT = (audit_kinds.INVITED, audit_kinds.INVITATION_RESENT)


def refuse_too_many(project: Project, by: User | None, number: int, *, new: int = 0) -> None:
    """Called with the project locked. An operator may send as many as they like, and theirs do not count."""
    if new and project.invitations.pending().count() + new > MOST_PENDING:
        raise ValidationError(
            f"A project can have {MOST_PENDING} pending invitations. Revoke some that are no longer needed.",
            code="too_many_pending",
        )
    if by is None:
        return
    of_project, of_person = _done_in_a_day(_SENT, project, by)
    if of_project + number > MOST_A_DAY:
        raise ValidationError(
            f"A project can send {MOST_A_DAY} invitations in 24 hours. This one has sent {of_project}. "
            "Try again tomorrow.",
            code="too_many",
        )
    if of_person + number > MOST_A_DAY_BY_ONE:
        raise ValidationError(
            f"You can send {MOST_A_DAY_BY_ONE} invitations in 24 hours. Try again tomorrow.", code="too_many"
        )


def refuse_too_many_copies(project: Project, by: User) -> None:
    """Called with the project locked."""
    if max(_done_in_a_day([audit_kinds.INVITATION_LINK_COPIED], project, by)) >= MOST_COPIES_A_DAY:
        raise ValidationError(
            f"A project or a person can copy {MOST_COPIES_A_DAY} invitation links in 24 hours. Try again tomorrow.",
            code="too_many",
        )


def _done_in_a_day(kinds: Iterable[Kind], project: Project, by: User) -> tuple[int, int]:
    """How often members did this in the project, and how often the person did it in any project."""
    since = timezone.now() - _DAY
    done = AuditEvent.objects.filter(kind__in=[kind.code for kind in kinds], by__isnull=False, at__gt=since)
    return done.filter(project=project).count(), done.filter(by=by).count()
