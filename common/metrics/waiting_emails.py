"""How many emails wait, and how long the oldest one has, for the metrics."""

from datetime import datetime

from django.conf import settings
from django.db.models import Count, Min

from common.metrics import counts
from common.outbox.models import Email, Lane, State


def tell_waiting_emails(now: datetime) -> None:
    """A task of the housekeeping. An email that is being sent waits, too."""
    if not settings.METRICS_TOKEN:
        return
    waiting = Email.objects.filter(state=State.WAITING).order_by()
    found = [*waiting.values_list("lane").annotate(Count("pk"), Min("created_at"))]
    counts.tell("outbox_waiting", {**dict.fromkeys(Lane.values, 0), **{lane: number for lane, number, _ in found}})
    # Since it was written: each try that fails moves the time of the next one.
    waited = max(((now - written).total_seconds() for _, _, written in found), default=0.0)
    counts.tell("outbox_oldest", {"": max(0.0, waited)})
