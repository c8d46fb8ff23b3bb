"""Deletes sessions that have ended, as Django's command `clearsessions` does, in bounded steps."""

from collections.abc import Iterator
from datetime import datetime

from django.contrib.sessions.models import Session

ROWS_A_STATEMENT = 500


def delete_old_sessions(now: datetime) -> Iterator[None]:
    """Each step deletes some of them. Nobody can use them, so a session that is deleted late does no harm."""
    old = Session.objects.filter(expire_date__lt=now).order_by("expire_date")
    while pks := list(old.values_list("pk", flat=True)[:ROWS_A_STATEMENT]):
        # The condition again, because a session in use is extended.
        old.filter(pk__in=pks).delete()
        yield
