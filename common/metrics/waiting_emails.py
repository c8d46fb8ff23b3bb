"""How many emails wait, and how late the most overdue one is, for the metrics."""

from datetime import datetime

from django.conf import settings
from django.db.models import Count, Min

from common.metrics import counts
from common.outbox.models import Email, Lane, State


def tell_waiting_emails(now: datetime) -> None:
    """A task of the housekeeping. An email that is being sent waits, too."""
    if not settings.METRICS_TOKEN:
        return
    rows = Email.objects.filter(state=State.WAITING).order_by().values_list("lane").annotate(Count("pk"), Min("due_at"))
    found = [*rows]
    counts.tell("outbox_waiting", {**dict.fromkeys(Lane.values, 0), **{lane: number for lane, number, _ in found}})
    late = max(((now - due).total_seconds() for _, _, due in found), default=0.0)
    counts.tell("outbox_overdue", {"": max(0.0, late)})
