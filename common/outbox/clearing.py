"""Deletes the rows of emails that were sent or given up, so that a year of emails does not grow without end."""

from datetime import datetime, timedelta

from django.db.models import QuerySet

from common.outbox.models import Email, Lane, State

KEPT = {State.SENT: timedelta(days=1), State.EXPIRED: timedelta(days=1), State.FAILED: timedelta(days=7)}
# In each lane and state: a flood is deleted before its time.
MOST_KEPT = 5_000
ROWS_A_STATEMENT = 500


def clear(now: datetime) -> int:
    """Deletes rows that are older than their state is kept, and the oldest where there are too many; how many."""
    deleted = 0
    for lane in Lane:
        for state, age in KEPT.items():
            settled = Email.objects.filter(lane=lane, state=state)
            deleted += _delete(settled.filter(settled_at__lt=now - age).order_by("settled_at"), 0)
            deleted += _delete(settled.order_by("-settled_at", "-pk"), MOST_KEPT)
    return deleted


def _delete(emails: QuerySet[Email], kept: int) -> int:
    """Deletes the emails after the first `kept` in bounded steps, so that no statement holds many locks for long."""
    deleted = 0
    while pks := list(emails.values_list("pk", flat=True)[kept : kept + ROWS_A_STATEMENT]):
        number, _ = Email.objects.filter(pk__in=pks).delete()
        deleted += number
    return deleted
